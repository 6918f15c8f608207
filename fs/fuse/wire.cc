#include "fs/fuse/wire.h"

#include <linux/fuse.h>
#include <sys/uio.h>

#include <cstddef>
#include <sstream>
#include <string>

#include "base/sys/file.h"

namespace acetate::fs {

namespace {

// Bit 40 of the flags, the upper half of which is a field of its own (linux/fuse.h since 7.41).
constexpr std::uint32_t kAllowIdmap = 1U << (40 - 32);
constexpr std::size_t kUpToFlags2 = offsetof(fuse_init_in, flags2) + sizeof(fuse_init_in::flags2);

// The fourth number of a line: real, effective, saved, file system's.
std::optional<std::uint32_t> fourth_of(std::string_view status, std::string_view label) {
  const std::size_t at = status.find(label);
  if (at == std::string_view::npos) return std::nullopt;
  std::istringstream line{std::string(status.substr(at + label.size(), 64))};
  std::uint32_t id = 0;
  for (int i = 0; i < 4; ++i)
    if (!(line >> id)) return std::nullopt;
  return id;
}

}  // namespace

void Wire::saw(const void* request, std::size_t size) noexcept {
  if (!wanted_ || size < sizeof(fuse_in_header) + kUpToFlags2) return;
  const auto* header = static_cast<const fuse_in_header*>(request);
  if (header->opcode != FUSE_INIT) return;
  const auto* asked = reinterpret_cast<const fuse_init_in*>(header + 1);
  if ((asked->flags & FUSE_INIT_EXT) != 0 && (asked->flags2 & kAllowIdmap) != 0) init_ = header->unique;
}

void Wire::complete(const iovec* parts, int count) noexcept {
  if (!init_ || count < 2 || parts[0].iov_len != sizeof(fuse_out_header)) return;
  if (static_cast<const fuse_out_header*>(parts[0].iov_base)->unique != *init_) return;
  init_.reset();
  if (parts[1].iov_len < offsetof(fuse_init_out, flags2) + sizeof(fuse_init_out::flags2)) return;
  auto* answer = static_cast<fuse_init_out*>(parts[1].iov_base);
  answer->flags |= FUSE_INIT_EXT;  // 3.14 leaves the field out, as zeros
  answer->flags2 |= kAllowIdmap;
}

std::optional<CallerIds> ids_told_by(std::string_view status) {
  const auto uid = fourth_of(status, "\nUid:");
  const auto gid = fourth_of(status, "\nGid:");
  if (!uid || !gid) return std::nullopt;
  return CallerIds{*uid, *gid};
}

std::optional<CallerIds> caller_ids(fuse_req_t req) {
  const fuse_ctx* context = fuse_req_ctx(req);
  constexpr auto kUntold = static_cast<uid_t>(-1);
  if (context->uid != kUntold) return CallerIds{context->uid, context->gid};
  if (context->pid <= 0) return std::nullopt;
  const auto status = sys::read_file("/proc/" + std::to_string(context->pid) + "/status", 1U << 16);
  return status ? ids_told_by(*status) : std::nullopt;
}

}  // namespace acetate::fs
