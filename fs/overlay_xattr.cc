// Extended attributes: the object's own, never the overlay's bookkeeping. Names of overlays that run inside this
// one are stored with one level of escape more (layers/whiteout.h).
#include <sys/stat.h>

#include "base/sys/file.h"
#include "base/sys/xattr.h"
#include "fs/overlay_impl.h"

namespace acetate::fs {

namespace {

constexpr std::string_view kDefaultAcl = "system.posix_acl_default";

}  // namespace

Result<std::string> Overlay::getxattr(Ino ino, std::string_view name) {
  const InodeRef inode = TRY(impl_->inode(ino));
  if (!impl_->options.xattrs) return Error(ENOTSUP);
  const auto stored = stored_xattr(name);
  if (!stored) return Error(ENODATA);
  if (!inode->is_upper()) return impl_->lower->xattr(inode->lower, name);
  return sys::get_xattr(TRY(impl_->upper_fd(*inode))->ref(), stored->c_str());
}

Result<std::vector<std::string>> Overlay::listxattr(Ino ino) {
  const InodeRef inode = TRY(impl_->inode(ino));
  if (!impl_->options.xattrs) return Error(ENOTSUP);
  std::vector<std::string> names;
  if (!inode->is_upper()) {
    for (Xattr& xattr : TRY(impl_->lower->xattrs(inode->lower))) names.push_back(std::move(xattr.name));
    return names;
  }
  for (const std::string& stored : TRY(sys::list_xattrs(TRY(impl_->upper_fd(*inode))->ref())))
    if (auto name = visible_xattr(stored)) names.push_back(*std::move(name));
  return names;
}

Result<void> Overlay::setxattr(Ino ino, std::string_view name, std::string_view value, int flags, bool kill_sgid) {
  const InodeRef inode = TRY(impl_->inode(ino));
  if (!impl_->upper) return Error(EROFS);
  if (!impl_->options.xattrs) return Error(ENOTSUP);
  const auto stored = stored_xattr(name);
  if (!stored) return Error(EPERM);
  TRY(impl_->copy_up(*inode));
  const FdPtr object = TRY(impl_->upper_fd(*inode));
  TRY(impl_->with_owner_access(object->ref(), 0200,
                               [&] { return sys::set_xattr(object->ref(), stored->c_str(), value, flags); }));
  if (inode->dir && name == kDefaultAcl) inode->dir->default_acl.store(Known::not_yet, std::memory_order_relaxed);
  if (!kill_sgid) return {};
  const struct statx st = TRY(stat_of(FileAt{object->ref(), ""}));
  if ((st.stx_mode & S_ISGID) == 0) return {};
  return sys::chmod(object->ref(), st.stx_mode & 07777 & ~static_cast<mode_t>(S_ISGID));
}

Result<void> Overlay::removexattr(Ino ino, std::string_view name) {
  const InodeRef inode = TRY(impl_->inode(ino));
  if (!impl_->upper) return Error(EROFS);
  if (!impl_->options.xattrs) return Error(ENOTSUP);
  const auto stored = stored_xattr(name);
  if (!stored) return Error(EPERM);
  // Nothing is copied up to take away what is not there.
  if (!inode->is_upper()) TRY(impl_->lower->xattr(inode->lower, name));
  TRY(impl_->copy_up(*inode));
  const FdPtr object = TRY(impl_->upper_fd(*inode));
  TRY(impl_->with_owner_access(object->ref(), 0200,
                               [&] { return sys::remove_xattr(object->ref(), stored->c_str()); }));
  if (inode->dir && name == kDefaultAcl) inode->dir->default_acl.store(Known::not_yet, std::memory_order_relaxed);
  return {};
}

}  // namespace acetate::fs
