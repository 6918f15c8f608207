// Metacopy: files of which the kernel's overlay copied up the attributes only ("overlay.metacopy"; its bytes are still the
// lower's). We write none. One that an upper brings along gets its bytes the first time somebody wants them, and is a
// file like others from then on (fs/overlayfs/copy_up.c, ovl_copy_up_meta_inode_data()).
#include <fcntl.h>
#include <sys/stat.h>

#include "base/sys/file.h"
#include "base/sys/xattr.h"
#include "fs/copy_data.h"
#include "fs/overlay_impl.h"

namespace acetate::fs {

namespace {

constexpr const char* kCapability = "security.capability";

}  // namespace

std::string Overlay::Impl::metacopy_mark() const { return upper->mark_prefix() + "metacopy"; }

Result<bool> Overlay::Impl::may_be_metacopy(Inode& dir, const struct statx& st) {
  if (!S_ISREG(st.stx_mode) || st.stx_size == 0) return false;
  if (upper->mark_prefix().empty()) return false;
  // A tree that was copied may have lost the directory's mark, but not the hole that such a file is. How much of it is there says nothing: who was
  // killed while it got its bytes has left some.
  return st.stx_blocks == 0 || TRY(is_impure(dir));
}

Result<void> Overlay::Impl::complete_copy(Inode& inode, std::optional<std::uint64_t> keep) {
  if (!inode.has_lower)
    return fail(EIO, "a file of the upper has only its attributes (the kernel overlay's metacopy), and no lower has its bytes");
  const FdPtr object = TRY(upper_fd(inode));
  const struct statx st = TRY(stat_of(FileAt{object->ref(), ""}));
  const auto view = TRY(with_descriptors([&] { return lower->open(inode.lower); }));
  const Fd file = TRY(open_upper(inode, O_RDWR));
  // Writing takes capabilities and suid away.
  auto capability = sys::get_xattr(object->ref(), kCapability);
  if (!capability && !capability.error().is(ENODATA) && !capability.error().is(ENOTSUP))
    return std::move(capability).error();

  const std::uint64_t length = std::min({view->size(), std::uint64_t{st.stx_size}, keep.value_or(st.stx_size)});
  copied_bytes.fetch_add(TRY(copy_data(*view, file.ref(), length)), std::memory_order_relaxed);
  if (length < st.stx_size) TRY(sys::truncate(file.ref(), length));
  if (capability) TRY(sys::set_xattr(object->ref(), kCapability, *capability));
  TRY(sys::chmod(object->ref(), st.stx_mode & 07777));
  const Attr before = attr_of(st);
  const bool truncated = length < st.stx_size;
  const struct timespec times[2] = {before.atime, truncated ? timespec{.tv_sec = 0, .tv_nsec = UTIME_NOW} : before.mtime};
  TRY(sys::set_times(object->ref(), times));
  if (upper->durable()) TRY(sys::fsync(file.ref()));
  // The last one: a crash, or an error, before it only means that it is copied again.
  TRY(sys::remove_xattr(object->ref(), metacopy_mark().c_str()));
  inode.metacopy.store(false, std::memory_order_release);
  return {};
}

}  // namespace acetate::fs
