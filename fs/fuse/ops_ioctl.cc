// ioctl(2): chattr's flags, which the kernel asks for in a form of its own and has checked who may set; where it has not, nobody sets them. Whatever else is ENOTTY.
#include <linux/fs.h>

#include <cstring>
#include <optional>

#include "fs/fuse/kernel_release.h"
#include "fs/fuse/ops.h"

namespace acetate::fs {

namespace {

template <class T>
std::optional<T> value_in(const void* bytes, std::size_t size) {
  T value;
  if (size < sizeof value) return std::nullopt;
  std::memcpy(&value, bytes, sizeof value);
  return value;
}

template <class T, class Get>
void get(fuse_req_t req, std::size_t room, Get&& of) {
  serve(
      req, [&]() -> Result<T> { return room < sizeof(T) ? Result<T>(Error(EINVAL)) : of(); },
      [&](const T& value) { fuse_reply_ioctl(req, 0, &value, sizeof value); });
}

template <class T, class Set>
void set(fuse_req_t req, const void* in, std::size_t size, Set&& to) {
  serve(
      req,
      [&]() -> Result<void> {
        const auto value = value_in<T>(in, size);
        return value ? to(*value) : Result<void>(Error(EINVAL));
      },
      [&](auto&&) { fuse_reply_ioctl(req, 0, nullptr, 0); });
}

void ioctl(fuse_req_t req, fuse_ino_t node, unsigned command, void*, fuse_file_info*, unsigned, const void* in, std::size_t in_size,
           std::size_t out_size) {
  static const bool may_set = checks_who_sets_flags(kernel_release());
  if (!may_set && (command == FS_IOC_SETFLAGS || command == FS_IOC_FSSETXATTR)) {
    fuse_reply_err(req, ENOTTY);
    return;
  }
  Overlay& overlay = served(req).overlay;
  const Ino ino = ino_of(node);
  switch (command) {
    case FS_IOC_GETFLAGS: return get<unsigned>(req, out_size, [&] { return overlay.flags(ino); });
    case FS_IOC_FSGETXATTR: return get<fsxattr>(req, out_size, [&] { return overlay.extended_flags(ino); });
    case FS_IOC_SETFLAGS: return set<unsigned>(req, in, in_size, [&](unsigned flags) { return overlay.set_flags(ino, flags); });
    case FS_IOC_FSSETXATTR:
      return set<fsxattr>(req, in, in_size, [&](const fsxattr& flags) { return overlay.set_extended_flags(ino, flags); });
    default: fuse_reply_err(req, ENOTTY);
  }
}

}  // namespace

void add_ioctl_operation(fuse_lowlevel_ops& table) { table.ioctl = counted<Operation::ioctl, ioctl>; }

}  // namespace acetate::fs
