// chattr(1)'s flags (FS_IOC_GETFLAGS and its relatives): those of the upper's object. A lower's are not asked for, as a tarball has none; a copy
// begins without.
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>

#include "base/sys/call.h"
#include "fs/overlay_impl.h"

namespace acetate::fs {

namespace {

template <class T>
Result<T> asked(FdRef file, unsigned long request) {
  T value{};
  TRY(sys::done(sys::Call::ioctl, [&] { return ::ioctl(file.fd, request, &value); }));
  return value;
}

}  // namespace

Result<Fd> Overlay::Impl::open_for_flags(Inode& inode) {
  if (!inode.is_dir() && !S_ISREG(inode.type)) return Error(ENOTTY);
  return open_upper(inode, O_RDONLY | O_NONBLOCK | (inode.is_dir() ? O_DIRECTORY : 0));
}

Result<unsigned> Overlay::flags(Ino ino) {
  const InodeRef inode = TRY(impl_->inode(ino));
  if (!inode->is_upper()) return 0U;
  const Fd file = TRY(impl_->open_for_flags(*inode));
  return asked<unsigned>(file.ref(), FS_IOC_GETFLAGS);
}

Result<struct fsxattr> Overlay::extended_flags(Ino ino) {
  const InodeRef inode = TRY(impl_->inode(ino));
  if (!inode->is_upper()) return fsxattr{};
  const Fd file = TRY(impl_->open_for_flags(*inode));
  return asked<fsxattr>(file.ref(), FS_IOC_FSGETXATTR);
}

Result<void> Overlay::set_flags(Ino ino, unsigned flags) {
  const Fd file = TRY(impl_->copied_for_flags(ino));
  return sys::done(sys::Call::ioctl, [&] { return ::ioctl(file.ref().fd, FS_IOC_SETFLAGS, &flags); });
}

Result<void> Overlay::set_extended_flags(Ino ino, const struct fsxattr& flags) {
  const Fd file = TRY(impl_->copied_for_flags(ino));
  return sys::done(sys::Call::ioctl, [&] { return ::ioctl(file.ref().fd, FS_IOC_FSSETXATTR, &flags); });
}

Result<Fd> Overlay::Impl::copied_for_flags(Ino ino) {
  if (!upper) return Error(EROFS);
  const InodeRef object = TRY(inode(ino));
  TRY(copy_up(*object));
  return open_for_flags(*object);
}

}  // namespace acetate::fs
