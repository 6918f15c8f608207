// From an inode to the upper's object: by its descriptor when there is one, else by its place.
//
// A place is used without any lock. That is sound because whoever moves the object takes the place away first
// (Impl::unplace): what was opened by a place counts only if the inode's version is still the one the place
// was read with.
#include <fcntl.h>

#include <vector>

#include "fs/overlay_impl.h"

namespace acetate::fs {

Result<FdPtr> Overlay::Impl::upper_fd(Inode& inode) {
  if (FdPtr fd = inode.descriptor()) return fd;
  for (;;) {
    // Up to the nearest ancestor that has a descriptor (the root always does), then down again.
    std::vector<std::pair<InodeRef, Place>> chain;
    FdPtr fd;
    for (InodeRef at(inode); !(fd = at->descriptor());) {
      auto place = at->place();
      if (!place) {
        fd = at->descriptor();  // it may just have left its place for a descriptor
        if (fd) break;
        return Error(ESTALE);
      }
      InodeRef above = place->parent;
      chain.emplace_back(std::move(at), *std::move(place));
      at = std::move(above);
    }
    bool moved = false;
    for (auto step = chain.rbegin(); step != chain.rend() && !moved; ++step) {
      const InodeRef& object = step->first;
      const auto& place = step->second;
      auto opened = with_descriptors(
          [&] { return sys::open(FileAt{fd->ref(), place.name.c_str()}, O_PATH | O_NOFOLLOW); });
      FdPtr ours = opened ? FdPtr::share(*std::move(opened)) : nullptr;
      {
        Lock lock(object->mutex);
        if (object->fd)
          fd = object->fd;
        else if (object->version != place.version)
          moved = true;
        else if (ours)
          fd = object->fd = ours;
        else
          return opened.error().is(ENOENT) ? Error(ESTALE) : std::move(opened).error();
      }
      if (!moved) fds.add(*object);
    }
    if (!moved) return fd;
  }
}

Result<struct statx> Overlay::Impl::upper_stat(Inode& inode) {
  for (;;) {
    if (const FdPtr fd = inode.descriptor()) return stat_for_users(FileAt{fd->ref(), ""});
    const auto place = inode.place();
    if (!place) return stat_for_users(FileAt{TRY(upper_fd(inode))->ref(), ""});
    const FdPtr parent = TRY(upper_fd(*place->parent));
    auto st = stat_for_users(FileAt{parent->ref(), place->name.c_str()});
    if (!inode.has_version(place->version)) continue;
    if (st && st->stx_ino != inode.upper_ino.load(std::memory_order_acquire)) return Error(ESTALE);
    if (!st && st.error().is(ENOENT)) return Error(ESTALE);
    return st;
  }
}

Result<Fd> Overlay::Impl::open_upper(Inode& inode, int flags) {
  if ((flags & O_APPEND) != 0) {
    auto opened = open_upper(inode, flags & ~O_APPEND);
    if (opened || !opened.error().is(EPERM)) return opened;
  }
  auto opened = with_descriptors([&]() -> Result<Fd> {
    for (;;) {
      if (const FdPtr fd = inode.descriptor()) return sys::reopen(fd->ref(), flags);
      const auto place = inode.place();
      if (!place) return sys::reopen(TRY(upper_fd(inode))->ref(), flags);
      const FdPtr parent = TRY(upper_fd(*place->parent));
      // Truncation is only for what is proven to be the right file.
      auto file = sys::open(FileAt{parent->ref(), place->name.c_str()}, (flags & ~O_TRUNC) | O_NOFOLLOW);
      if (!inode.has_version(place->version)) continue;
      if (file && (flags & O_TRUNC) != 0) TRY(sys::truncate(file->ref(), 0));
      return file;
    }
  });
  if (opened || !opened.error().is(EACCES)) return opened;
  // The kernel has checked the caller; only an unprivileged daemon is refused its own mode-0000 files.
  const FdPtr fd = TRY(upper_fd(inode));
  return with_owner_access(fd->ref(), inode.is_dir() ? 0700 : 0600, [&] { return sys::reopen(fd->ref(), flags); });
}

Result<void> Overlay::Impl::unplace(Inode& inode) {
  FdPtr stays;
  if (inode.is_upper()) stays = TRY(upper_fd(inode));
  inode.leave_place(std::move(stays));
  return {};
}

}  // namespace acetate::fs
