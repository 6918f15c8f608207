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

template <class Flags>
Result<Flags> Overlay::Impl::flags_of(Ino ino, unsigned long request) {
  const InodeRef object = TRY(inode(ino));
  if (!object->is_upper()) return Flags{};
  const Fd file = TRY(open_for_flags(*object));
  return asked<Flags>(file.ref(), request);
}

template <class Flags>
Result<void> Overlay::Impl::set_flags_of(Ino ino, unsigned long request, const Flags& flags) {
  if (!upper) return Error(EROFS);
  const InodeRef object = TRY(inode(ino));
  TRY(copy_up(*object));
  const Fd file = TRY(open_for_flags(*object));
  TRY(sys::done(sys::Call::ioctl, [&] { return ::ioctl(file.ref().fd, request, &flags); }));
  if (rememberer != nullptr) rememberer->forget_attributes(ino);  // the time of change; the kernel forgets nothing after an ioctl
  return {};
}

Result<unsigned> Overlay::flags(Ino ino) { return impl_->flags_of<unsigned>(ino, FS_IOC_GETFLAGS); }
Result<struct fsxattr> Overlay::extended_flags(Ino ino) { return impl_->flags_of<fsxattr>(ino, FS_IOC_FSGETXATTR); }
Result<void> Overlay::set_flags(Ino ino, unsigned flags) { return impl_->set_flags_of(ino, FS_IOC_SETFLAGS, flags); }
Result<void> Overlay::set_extended_flags(Ino ino, const struct fsxattr& flags) { return impl_->set_flags_of(ino, FS_IOC_FSSETXATTR, flags); }

}  // namespace acetate::fs
