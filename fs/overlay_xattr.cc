// Extended attributes: the object's own, never the overlay's bookkeeping. Names of overlays that run inside this
// one are stored with one level of escape more (layers/whiteout.h).
#include <sys/stat.h>

#include "base/sys/file.h"
#include "base/sys/xattr.h"
#include "fs/overlay_impl.h"

namespace acetate::fs {

namespace {

constexpr std::string_view kDefaultAcl = "system.posix_acl_default";
constexpr std::string_view kCapability = "security.capability";

}  // namespace

std::optional<std::string> Overlay::Impl::stored_name(std::string_view name) const {
  if (!upper || !permissions().in_xattr()) return stored_xattr(name);
  if (is_acl_xattr(name)) return std::nullopt;  // the disk would apply it to the wrong owner
  auto aside = is_private_xattr(name) ? std::nullopt : permissions().stored_xattr(name);
  return aside ? aside : stored_xattr(name);
}

std::optional<std::string> Overlay::Impl::visible_name(std::string_view stored) const {
  auto aside = permissions().visible_xattr(stored);
  return aside ? aside : visible_xattr(stored);
}

Result<std::vector<Xattr>> Overlay::Impl::lower_xattrs(Inode& inode) {
  if (inode.bare.load(std::memory_order_relaxed)) return std::vector<Xattr>();
  auto all = TRY(lower->xattrs(inode.lower));
  if (all.empty()) inode.bare.store(true, std::memory_order_relaxed);
  return all;
}

Result<std::string> Overlay::Impl::lower_xattr(Inode& inode, std::string_view name) {
  for (Xattr& xattr : TRY(lower_xattrs(inode)))
    if (xattr.name == name) return std::move(xattr.value);
  return Error(ENODATA);
}

Result<std::string> Overlay::getxattr(Ino ino, std::string_view name) {
  const InodeRef inode = TRY(impl_->inode(ino));
  if (!impl_->options.xattrs) return Error(ENOTSUP);
  const auto stored = impl_->stored_name(name);
  if (!stored) return Error(ENODATA);
  // The kernel asks for it before the first write to a file.
  if (name == kCapability && !inode->has_lower && inode->bare.load(std::memory_order_relaxed)) return Error(ENODATA);
  std::string value = TRY(inode->is_upper() ? sys::get_xattr(TRY(impl_->upper_fd(*inode))->ref(), stored->c_str())
                                            : impl_->lower_xattr(*inode, name));
  return is_acl_xattr(name) ? impl_->options.owners.acl_shown(std::move(value)) : std::move(value);
}

Result<std::vector<std::string>> Overlay::listxattr(Ino ino) {
  const InodeRef inode = TRY(impl_->inode(ino));
  if (!impl_->options.xattrs) return Error(ENOTSUP);
  std::vector<std::string> names;
  if (!inode->is_upper()) {
    for (Xattr& xattr : TRY(impl_->lower_xattrs(*inode))) names.push_back(std::move(xattr.name));
    return names;
  }
  for (const std::string& stored : TRY(sys::list_xattrs(TRY(impl_->upper_fd(*inode))->ref())))
    if (auto name = impl_->visible_name(stored)) names.push_back(*std::move(name));
  return names;
}

Result<void> Overlay::setxattr(Ino ino, std::string_view name, std::string_view value, int flags, bool kill_sgid) {
  const InodeRef inode = TRY(impl_->inode(ino));
  if (!impl_->upper) return Error(EROFS);
  if (!impl_->options.xattrs) return Error(ENOTSUP);
  const auto stored = impl_->stored_name(name);
  if (!stored) return Error(is_acl_xattr(name) ? ENOTSUP : EPERM);
  TRY(impl_->copy_up(*inode));
  const FdPtr object = TRY(impl_->upper_fd(*inode));
  if (name == kCapability && !inode->has_lower) inode->bare.store(false, std::memory_order_relaxed);
  const std::string on_disk =
      is_acl_xattr(name) ? impl_->options.owners.acl_on_disk(std::string(value)) : std::string(value);
  TRY(impl_->with_owner_access(object->ref(), 0200,
                               [&] { return sys::set_xattr(object->ref(), stored->c_str(), on_disk, flags); }));
  if (inode->dir && name == kDefaultAcl) inode->dir->default_acl.store(Known::not_yet, std::memory_order_relaxed);
  // A list of who has access is a mode as well (cp(1) and mv(1) set modes by one), and what is noted of an owner says the mode too.
  const bool is_noted = impl_->permissions().notes_owners() && is_acl_xattr(name);
  if (!kill_sgid && !is_noted) return {};
  const struct statx st = TRY(impl_->permissions().stat(FileAt{object->ref(), ""}));
  mode_t mode = st.stx_mode & 07777;
  if (kill_sgid) mode &= ~static_cast<mode_t>(S_ISGID);
  if (mode == (st.stx_mode & 07777) && !is_noted) return {};
  return impl_->permissions().chmod(object->ref(), mode);
}

Result<void> Overlay::removexattr(Ino ino, std::string_view name) {
  const InodeRef inode = TRY(impl_->inode(ino));
  if (!impl_->upper) return Error(EROFS);
  if (!impl_->options.xattrs) return Error(ENOTSUP);
  const auto stored = impl_->stored_name(name);
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
