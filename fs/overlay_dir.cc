// Reading directories: the upper's names, then the lower's that nothing above hides.
#include <dirent.h>
#include <fcntl.h>

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

// The names that the upper has itself, each numbered as it was told, or hides.
Result<void> Overlay::Impl::list_upper_locked(Inode& dir, OverLower& over, const EachName& each) {
  const Fd listing = TRY(open_upper(dir, O_RDONLY | O_DIRECTORY));
  std::vector<UpperEntry> dubious;  // ".wh.x": a whiteout if the lower has x, else a name like another
  std::size_t told = 0;
  const auto hide = [&](std::string_view name) {
    if (dir.has_lower) over.emplace(name, std::nullopt);
  };
  const auto tell = [&](std::string_view name, unsigned char type, std::uint64_t ino) {
    if (dir.has_lower) over.insert_or_assign(std::string(name), told);
    ++told;
    return each(name, type, ino);
  };
  const auto one = [&](const sys::DirEntry& entry) -> Result<bool> {
    const DecodedName decoded = decode_name(entry.name);
    if (decoded.kind == DecodedName::Kind::whiteout) {
      if (dir.has_lower) dir.dir->file_whiteouts.store(Known::yes, std::memory_order_relaxed);
      if (upper->file_dialect()) {
        hide(decoded.hides);
        return true;
      }
      if (dir.has_lower) {
        dubious.push_back({std::string(entry.name), entry.type, entry.ino});
        return true;
      }
    } else if (decoded.kind != DecodedName::Kind::ordinary) {
      return true;
    }
    const FileAt at{listing.ref(), entry.name.data()};
    unsigned char type = entry.type;
    if (type == DT_CHR && entry.ino == upper->whiteout_ino()) {
      hide(entry.name);
      return true;
    }
    const bool may_be_whiteout = type == DT_CHR || (type == DT_REG && dir.dir->xattr_whiteouts);
    if (type == DT_UNKNOWN || may_be_whiteout || (type == DT_REG && permissions().in_xattr())) {
      auto st = permissions().stat(at);
      if (!st) return st.error().is(ENOENT) ? Result<bool>(true) : Result<bool>(std::move(st).error());
      type = dirent_type(st->stx_mode);
      bool whiteout = is_device_whiteout(*st);
      if (!whiteout && dir.dir->xattr_whiteouts && type == DT_REG && st->stx_size == 0) whiteout = TRY(has_whiteout_xattr(at));
      if (whiteout) {
        hide(entry.name);
        return true;
      }
    }
    std::uint64_t ino = 0;
    if (const InodeRef known = inodes.find_upper(entry.ino))
      ino = known->st_ino.load(std::memory_order_relaxed);
    else
      ino = TRY(ino_in(dir, at, entry.ino));
    return tell(entry.name, type, ino);
  };
  std::optional<Error> failed;
  bool go_on = true;
  TRY(sys::read_fresh_dir(listing.ref(), [&](const sys::DirEntry& entry) {
    auto more = one(entry);
    if (!more) failed = std::move(more).error();
    return go_on = more && *more;
  }));
  if (failed) return *std::move(failed);
  for (const UpperEntry& entry : dubious) {
    if (!go_on) break;
    const std::string_view hides = decode_name(entry.name).hides;
    auto below = lower->lookup(dir.lower, hides);
    if (!below && !below.error().is(ENOENT)) return std::move(below).error();
    if (below) {
      const HeldNode held(*lower, below->node);
      hide(hides);
    } else {
      go_on = tell(entry.name, entry.type, TRY(ino_in(dir, FileAt{listing.ref(), entry.name.c_str()}, entry.ino)));
    }
  }
  return {};
}

Result<bool> Overlay::Impl::is_empty_locked(Inode& dir) {
  bool empty = true;
  OverLower over;
  if (dir.is_upper()) TRY(list_upper_locked(dir, over, [&](std::string_view, unsigned char, std::uint64_t) { return empty = false; }));
  if (!empty || !dir.has_lower) return empty;
  TRY(lower->list(dir.lower, [&](const DirEntry& entry) { return empty = over.contains(entry.name); }));
  return empty;
}

Result<void> Overlay::Impl::list_locked(Inode& dir, DirListing& into) {
  const std::size_t dots = into.size();
  OverLower over;
  if (dir.is_upper())
    TRY(list_upper_locked(dir, over, [&](std::string_view name, unsigned char type, std::uint64_t ino) {
      into.add(name, type, ino, DirListing::place_of_upper_name(name, options.narrow_inos));
      return true;
    }));
  if (!dir.has_lower) return {};
  std::uint64_t n = 0;
  return lower->list(dir.lower, [&](const DirEntry& entry) {
    const std::uint64_t place = DirListing::place_of_lower_name(n++);
    const auto above = over.empty() ? over.end() : over.find(entry.name);
    if (above == over.end())
      into.add(entry.name, entry.type, entry.ino, place);
    else if (above->second)
      into.move(dots + *above->second, place);
    return true;
  });
}

Result<DirListingPtr> Overlay::Impl::list(const InodeRef& dir) {
  auto listing = std::make_shared<DirListing>();
  InodeRef parent = dir;
  if (const auto place = dir->place()) parent = place->parent;
  listing->add(".", DT_DIR, dir->st_ino.load(std::memory_order_relaxed), 1);
  listing->add("..", DT_DIR, parent->st_ino.load(std::memory_order_relaxed), 2);
  {
    SharedLock lock(dir->dir->mutex);
    if (!dir->dir->dead) TRY(list_locked(*dir, *listing));
  }
  listing->put_in_order();
  return listing;
}

Result<void> Overlay::readdir(Ino ino, std::uint64_t cookie, const std::function<bool(const ListedEntry&)>& each) {
  const InodeRef dir = TRY(impl_->directory(ino));
  DirListingPtr listing = cookie == 0 ? nullptr : impl_->listings.find(ino);
  const bool fresh = listing == nullptr;
  if (fresh) listing = TRY(impl_->list(dir));
  const auto tell = [&](ListedEntry entry) {
    entry.ino = impl_->ino_for_users(entry.ino);
    return each(entry);
  };
  if (!listing->each(cookie, tell))
    impl_->listings.drop(ino);  // read to its end
  else if (fresh)
    impl_->listings.put(ino, std::move(listing));
  return {};
}

Result<void> Overlay::fsyncdir(Ino ino) {
  const InodeRef dir = TRY(impl_->directory(ino));
  if (!impl_->options.durable || !dir->is_upper()) return {};
  const Fd fd = TRY(impl_->open_upper(*dir, O_RDONLY | O_DIRECTORY));
  return sys::fsync(fd.ref());
}

}  // namespace acetate::fs
