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

Result<void> Overlay::Impl::require_empty_locked(Inode& above, Inode& dir) {
  if (TRY(is_empty_locked(dir))) return {};
  // chattr +i and +a go first, as in may_delete() of the kernel, which does not know here that they are set.
  for (Inode* const held : {&above, &dir}) {
    if (!held->is_upper()) continue;
    const struct statx st = TRY(stat_of(FileAt{TRY(upper_fd(*held))->ref(), ""}));
    if ((st.stx_attributes & (STATX_ATTR_IMMUTABLE | STATX_ATTR_APPEND)) != 0) return Error(EPERM);
  }
  return Error(ENOTEMPTY);
}

Result<void> Overlay::Impl::list_locked(Inode& dir, DirListing& into, std::size_t most) {
  const std::size_t dots = into.size();
  OverLower over;
  if (dir.is_upper())
    TRY(list_upper_locked(dir, over, [&](std::string_view name, unsigned char type, std::uint64_t ino) {
      into.add(name, type, ino, DirListing::place_of_upper_name(name));
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
    return into.size() <= most;
  });
}

DirListing Overlay::Impl::dots_of(const InodeRef& dir) {
  DirListing listing;
  InodeRef parent = dir;
  if (const auto place = dir->place()) parent = place->parent;
  listing.add(".", DT_DIR, dir->st_ino.load(std::memory_order_relaxed), DirListing::kDot);
  listing.add("..", DT_DIR, parent->st_ino.load(std::memory_order_relaxed), DirListing::kDotDot);
  return listing;
}

Result<DirListing> Overlay::Impl::list(const InodeRef& dir) {
  DirListing listing = dots_of(dir);
  {
    SharedLock lock(dir->dir->mutex);
    if (!dir->dir->dead) TRY(list_locked(*dir, listing));
  }
  listing.put_in_order();
  return listing;
}

Result<RecentListingPtr> Overlay::Impl::listing_after(const InodeRef& dir, std::uint64_t cookie) {
  RecentListingPtr recent = listings.find(dir->ino);
  if (recent && cookie == 0) {
    // Who begins sees what there is now. While only the lower has a directory that is what there was.
    SharedLock lock(dir->dir->mutex);
    if (dir->is_upper() || dir->dir->dead) recent = nullptr;
  }
  if (recent) return recent;
  recent = std::make_shared<RecentListing>(RecentListing{.names = TRY(list(dir))});
  listings.put(dir->ino, recent);
  return recent;
}

Result<void> Overlay::readdir(Ino ino, std::uint64_t cookie, const std::function<bool(const ListedEntry&)>& each) {
  const InodeRef dir = TRY(impl_->directory(ino));
  const RecentListingPtr listing = TRY(impl_->listing_after(dir, cookie));
  const bool any = listing->names.each(cookie, [&](ListedEntry entry) {
    entry.ino = impl_->ino_for_users(entry.ino);
    return each(entry);
  });
  if (!any) impl_->listings.drop(ino);  // read to its end
  return {};
}

Result<void> Overlay::readdirplus(Ino ino, std::uint64_t cookie, const std::function<bool(const ListedEntry&)>& fits,
                                  const std::function<void(const ListedEntry&, const Found*)>& each) {
  const InodeRef dir = TRY(impl_->directory(ino));
  const RecentListingPtr listing = TRY(impl_->listing_after(dir, cookie));
  const bool is_new = cookie == 0 && !dir->dir->has_placed.load(std::memory_order_relaxed);
  const auto find = [&](const ListedEntry& entry) -> Result<Found> {
    if (const Child* known = listing->child(entry); known != nullptr && !dir->is_upper()) return impl_->give(known->inode, known->attr);
    const Name name = TRY(Name::of(entry.name));
    const Child child = TRY(impl_->child(*dir, name, is_new));
    return impl_->give(child.inode, child.attr);
  };
  const bool any = listing->names.each(cookie, [&](ListedEntry entry) {
    if (!fits(entry)) return false;
    std::optional<Found> found;
    // What cannot be looked up, or went since it was listed, is shown by name.
    if (entry.cookie > DirListing::kDotDot)
      if (auto looked_up = find(entry)) found = *looked_up;
    entry.ino = impl_->ino_for_users(entry.ino);
    each(entry, found ? &*found : nullptr);
    return true;
  });
  if (!any) impl_->listings.drop(ino);
  return {};
}

void Overlay::look_ahead(Ino ino) {
  // Of a directory with more in it no walker is waited for.
  constexpr std::size_t kMostSubdirs = 1000, kMostNames = 10000;
  const auto dir = impl_->directory(ino);
  const RecentListingPtr listing = dir ? impl_->listings.find(ino) : nullptr;
  // An index says of each file which other names it has, and is not to be asked in vain.
  if (!listing || impl_->index) return;
  const Undo one_less{[this] { impl_->looking_ahead.fetch_sub(1, std::memory_order_relaxed); }};
  if (impl_->looking_ahead.fetch_add(1, std::memory_order_relaxed) >= 2) return;  // others are to find threads for what was asked
  std::vector<Ino> below;
  std::size_t names = 0;
  listing->names.each(DirListing::kDotDot, [&](const ListedEntry& entry) {
    if (entry.type == DT_DIR)
      if (const InodeRef known = impl_->inodes.find_placed(**dir, entry.name)) below.push_back(known->ino);
    return below.size() < kMostSubdirs && ++names < kMostNames;
  });
  for (const Ino next : impl_->look_ahead.next(ino, std::move(below)))
    if (const auto ahead = impl_->directory(next)) impl_->look_ahead_in(*ahead);
}

void Overlay::Impl::look_ahead_in(const InodeRef& dir) {
  constexpr std::size_t kMostNames = 500;  // whoever changes the directory meanwhile waits
  if (dir->is_upper() || listings.find(dir->ino)) return;
  DirListing names = dots_of(dir);
  {
    SharedLock lock(dir->dir->mutex);
    if (dir->is_upper() || dir->dir->dead || !list_locked(*dir, names, kMostNames) || names.size() > kMostNames) return;
    names.put_in_order();
    auto children = children_locked(*dir, names);
    // While names cannot change: behind them a newer listing could be replaced by this one.
    listings.put(dir->ino, std::make_shared<RecentListing>(RecentListing{.names = std::move(names), .children = std::move(children)}));
  }
  // Who copied it up, or forgot it, before that found nothing to drop.
  if (dir->is_upper() || !dir->lookups.any()) listings.drop(dir->ino);
}

std::vector<std::optional<Child>> Overlay::Impl::children_locked(Inode& dir, const DirListing& names) {
  std::vector<std::optional<Child>> children;
  children.reserve(names.size());
  const bool is_new = !dir.dir->has_placed.load(std::memory_order_relaxed);
  names.each(DirListing::kDotDot, [&](const ListedEntry& entry) {
    children.emplace_back();
    const auto name = Name::of(entry.name);
    NameState state;
    if (!name || !look_below(dir, *name, state)) return true;
    if (auto child = child_locked(dir, *name, std::move(state), is_new)) children.back() = *std::move(child);
    return true;
  });
  return children;
}

Result<void> Overlay::fsyncdir(Ino ino) {
  const InodeRef dir = TRY(impl_->directory(ino));
  if (!impl_->options.durable || !dir->is_upper()) return {};
  const Fd fd = TRY(impl_->open_upper(*dir, O_RDONLY | O_DIRECTORY));
  return sys::fsync(fd.ref());
}

}  // namespace acetate::fs
