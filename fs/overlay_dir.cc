// Reading directories: the upper's names, then the lower's that nothing above hides.
#include <dirent.h>
#include <fcntl.h>

#include <unordered_set>

#include "base/sys/dir.h"
#include "base/sys/file.h"
#include "base/sys/xattr.h"
#include "fs/overlay_impl.h"

namespace acetate::fs {

namespace {

struct UpperEntry {
  std::string name;
  unsigned char type;
  std::uint64_t ino;
};

}  // namespace

Result<void> Overlay::Impl::merged_list_locked(
    Inode& dir, const std::function<bool(std::string_view, unsigned char, std::uint64_t)>& each) {
  std::unordered_set<std::string> hidden;  // of the lower's names
  std::vector<UpperEntry> dubious;         // ".wh.x": a whiteout if the lower has x, else a name like another
  bool go_on = true;
  if (dir.is_upper()) {
    const Fd listing = TRY(open_upper(dir, O_RDONLY | O_DIRECTORY));
    std::optional<Error> failed;
    const auto one = [&](const sys::DirEntry& entry) -> Result<void> {
      const DecodedName decoded = decode_name(entry.name);
      if (decoded.kind == DecodedName::Kind::whiteout) {
        if (dir.has_lower) dir.dir->file_whiteouts.store(Known::yes, std::memory_order_relaxed);
        if (upper->file_dialect()) {
          if (dir.has_lower) hidden.emplace(decoded.hides);
          return {};
        }
        if (dir.has_lower) {
          dubious.push_back({std::string(entry.name), entry.type, entry.ino});
          return {};
        }
      } else if (decoded.kind != DecodedName::Kind::ordinary) {
        return {};
      }
      const FileAt at{listing.ref(), entry.name.data()};
      unsigned char type = entry.type;
      if (type == DT_CHR && entry.ino == upper->whiteout_ino()) {
        if (dir.has_lower) hidden.emplace(entry.name);
        return {};
      }
      const bool may_be_whiteout = type == DT_CHR || (type == DT_REG && dir.dir->xattr_whiteouts);
      if (type == DT_UNKNOWN || may_be_whiteout || (type == DT_REG && permissions().in_xattr())) {
        auto st = permissions().stat(at);
        if (!st) return st.error().is(ENOENT) ? Result<void>() : Result<void>(std::move(st).error());
        type = dirent_type(st->stx_mode);
        bool whiteout = is_device_whiteout(*st);
        if (!whiteout && dir.dir->xattr_whiteouts && type == DT_REG && st->stx_size == 0)
          whiteout = TRY(has_whiteout_xattr(at));
        if (whiteout) {
          if (dir.has_lower) hidden.emplace(entry.name);
          return {};
        }
      }
      if (dir.has_lower) hidden.emplace(entry.name);
      std::uint64_t ino = 0;
      if (const InodeRef known = inodes.find_upper(entry.ino))
        ino = known->st_ino.load(std::memory_order_relaxed);
      else
        ino = TRY(ino_in(dir, at, entry.ino));
      go_on = each(entry.name, type, ino);
      return {};
    };
    TRY(sys::read_fresh_dir(listing.ref(), [&](const sys::DirEntry& entry) {
      auto told = one(entry);
      if (!told) failed = std::move(told).error();
      return told && go_on;
    }));
    if (failed) return *std::move(failed);
    for (UpperEntry& entry : dubious) {
      const std::string_view hides = decode_name(entry.name).hides;
      auto below = lower->lookup(dir.lower, hides);
      if (!below && !below.error().is(ENOENT)) return std::move(below).error();
      if (below) {
        const HeldNode held(*lower, below->node);
        hidden.emplace(hides);
      } else if (go_on) {
        hidden.insert(entry.name);
        go_on = each(entry.name, entry.type, TRY(ino_in(dir, FileAt{listing.ref(), entry.name.c_str()}, entry.ino)));
      }
    }
  }
  if (!dir.has_lower || !go_on) return {};
  return lower->list(dir.lower, [&](const DirEntry& entry) {
    if (!hidden.empty() && hidden.contains(std::string(entry.name))) return true;
    return each(entry.name, entry.type, entry.ino);
  });
}

Result<bool> Overlay::Impl::is_empty_locked(Inode& dir) {
  bool empty = true;
  TRY(merged_list_locked(dir, [&](std::string_view, unsigned char, std::uint64_t) { return empty = false; }));
  return empty;
}

Result<Opened> Overlay::opendir(Ino ino) {
  InodeRef dir = TRY(impl_->directory(ino));
  return Opened{.handle = impl_->handles.add(std::make_shared<OpenDir>(std::move(dir)))};
}

Result<void> Overlay::readdir(Handle handle, std::uint64_t cookie,
                              const std::function<bool(const ListedEntry&)>& each) {
  const auto open = TRY(impl_->handles.dir(handle));
  Lock reading(open->mutex);
  if (cookie == 0 || !open->listed) {
    Inode& dir = *open->inode;
    DirListing fresh;
    InodeRef parent = open->inode;
    if (const auto place = dir.place()) parent = place->parent;
    fresh.add(".", DT_DIR, dir.st_ino.load(std::memory_order_relaxed));
    fresh.add("..", DT_DIR, parent->st_ino.load(std::memory_order_relaxed));
    {
      SharedLock lock(dir.dir->mutex);
      if (!dir.dir->dead)
        TRY(impl_->merged_list_locked(dir, [&](std::string_view name, unsigned char type, std::uint64_t ino) {
          fresh.add(name, type, ino);
          return true;
        }));
    }
    if (open->listed)
      open->listing.renew(std::move(fresh));
    else
      open->listing = std::move(fresh);
    open->listed = true;
  }
  if (!impl_->options.narrow_inos) {
    open->listing.each(cookie, each);
    return {};
  }
  open->listing.each(cookie, [&](ListedEntry entry) {
    entry.ino = impl_->ino_for_users(entry.ino);
    return each(entry);
  });
  return {};
}

Result<void> Overlay::fsyncdir(Handle handle) {
  const auto open = TRY(impl_->handles.dir(handle));
  if (!impl_->options.durable || !open->inode->is_upper()) return {};
  const Fd dir = TRY(impl_->open_upper(*open->inode, O_RDONLY | O_DIRECTORY));
  return sys::fsync(dir.ref());
}

void Overlay::releasedir(Handle handle) noexcept { impl_->handles.remove(handle); }

}  // namespace acetate::fs
