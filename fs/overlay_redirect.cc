// Redirects: a directory of the upper that is merged with one the lower has under another name.
//
// So a directory that the lower takes part in is renamed at once: it takes along, in the kernel overlay's own
// "overlay.redirect", the path its lower part has. They are followed whoever wrote them, in the dialect that this upper is
// written in (Upper::mark_prefix()); a path is walked name by name through the lower and no symlink of it is followed, so none leads out
// (fs/overlayfs/namei.c, ovl_check_redirect(); dir.c, ovl_set_redirect()). They are written only where asked for: a kernel
// that mounts without privilege does not follow them.
#include "base/sys/xattr.h"
#include "fs/overlay_impl.h"
#include "layers/stack.h"

namespace acetate::fs {

namespace {

// A file system may have no room left for a longer attribute: no reason to fail, mv(1) copies then.
bool means_too_long(const Error& error) { return error.is(ENOSPC) || error.is(ERANGE) || error.is(E2BIG); }

}  // namespace

std::string Overlay::Impl::redirect_mark() const { return upper->mark_prefix() + "redirect"; }

Result<HeldNode> Overlay::Impl::merged_below(Inode& parent, FdRef object, NameState& state) {
  const auto fits = [&](const Attr& attr) { return (attr.mode & S_IFMT) == (state.st.stx_mode & S_IFMT); };
  const auto by_name = [&] { return state.below && fits(state.below->attr) ? std::move(state.below->node) : HeldNode(); };
  if (upper->mark_prefix().empty()) return by_name();
  auto redirect = sys::get_xattr(object, redirect_mark().c_str());
  if (!redirect) {
    if (redirect.error().is(ENODATA) || redirect.error().is(ENOTSUP)) return by_name();
    return std::move(redirect).error();
  }
  if (!options.follows_marks) return fail(EPERM, "refusing to follow the redirect to '{}'", *redirect);
  const std::string& target = *redirect;
  const auto follow = [&]() -> Result<Entry> {
    if (!target.starts_with('/')) {
      if (!RelPath::is_name(target)) return fail(EIO, "overlay redirect '{}' is no name", target);
      return parent.has_lower ? lower->lookup(parent.lower, target) : Result<Entry>(Error(ENOENT));
    }
    auto path = RelPath::parse(target);
    if (!path || path->is_root()) return fail(EIO, "overlay redirect '{}' leads nowhere", target);
    return walk(*lower, *path);
  };
  auto entry = follow();
  if (!entry) {
    if (entry.error().is(ENOENT) || entry.error().is(ENOTDIR)) return HeldNode();
    return std::move(entry).error();
  }
  HeldNode below(*lower, entry->node);
  return fits(entry->attr) ? std::move(below) : HeldNode();
}

// Precondition: the rename mutex is held, or nothing above `dir` is merged.
Result<std::string> Overlay::Impl::path_below(Inode& dir) {
  std::string path;
  for (InodeRef at(dir); at.get() != root.get();) {
    const auto place = at->place();
    if (!place) return Error(ESTALE);
    std::string step(place->name.view());
    if (at->is_upper()) {
      auto redirect = sys::get_xattr(TRY(upper_fd(*at))->ref(), redirect_mark().c_str());
      if (redirect && redirect->starts_with('/')) return *redirect + path;
      if (redirect)
        step = *std::move(redirect);
      else if (!redirect.error().is(ENODATA))
        return std::move(redirect).error();
    }
    path = "/" + step + path;
    at = place->parent;
  }
  return path;
}

Result<void> Overlay::Impl::put_redirect(Inode& dir) {
  const FdPtr fd = TRY(upper_fd(dir));
  const std::string path = TRY(path_below(dir));
  auto put = with_owner_access(fd->ref(), 0200, [&] { return sys::set_xattr(fd->ref(), redirect_mark().c_str(), path); });
  if (!put && means_too_long(put.error())) return Error(EXDEV);
  return put;
}

}  // namespace acetate::fs
