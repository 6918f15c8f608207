// Lookup: what stands at a name, decided in one place for every verb.
#include <fcntl.h>

#include "base/sys/dir.h"
#include "base/sys/xattr.h"
#include "fs/overlay_impl.h"

namespace acetate::fs {

Attr Overlay::Impl::shown(const Inode& inode, const struct statx& st) const {
  Attr attr = attr_of(st);
  attr.ino = inode.st_ino.load(std::memory_order_relaxed);
  // Counted where that costs nothing, as the kernel's overlay has it: in the upper alone, and gone.
  if (attr.is_dir() && ((!inode.has_lower && !options.static_nlink) || st.stx_nlink == 0)) attr.nlink = st.stx_nlink;
  if (index && S_ISREG(st.stx_mode))
    attr.nlink = static_cast<std::uint32_t>(std::max<std::int64_t>(attr.nlink + index->more_of_copy(st.stx_ino), 0));
  return attr;
}

// Whether ".wh." names need to be asked for; found out by one reading of the directory.
Result<bool> Overlay::Impl::has_file_whiteouts(Inode& dir) {
  const Known known = dir.dir->file_whiteouts.load(std::memory_order_relaxed);
  if (known != Known::not_yet) return known == Known::yes;
  const Fd listing = TRY(open_upper(dir, O_RDONLY | O_DIRECTORY));
  bool found = false;
  TRY(sys::read_fresh_dir(listing.ref(), [&](const sys::DirEntry& entry) {
    found = decode_name(entry.name).kind == DecodedName::Kind::whiteout;
    return !found;
  }));
  // One that is put meanwhile says so itself, after it was put: never overwrite a yes.
  Known before = Known::not_yet;
  dir.dir->file_whiteouts.compare_exchange_strong(before, found ? Known::yes : Known::no);
  return found || before == Known::yes;
}

Result<NameState> Overlay::Impl::look_in_upper(Inode& dir, const Name& name) {
  NameState state;
  if (!dir.is_upper()) return state;
  const DecodedName decoded = decode_name(name.view());
  if (decoded.kind == DecodedName::Kind::opaque || decoded.kind == DecodedName::Kind::bookkeeping ||
      (decoded.kind == DecodedName::Kind::whiteout && upper->file_dialect())) {
    state.reserved = true;
    return state;
  }
  if (decoded.kind == DecodedName::Kind::whiteout && dir.has_lower) {
    // Where we write devices, a user may have a ".wh.x" of his own, but not where it would hide a lower x.
    auto hidden = lower->lookup(dir.lower, decoded.hides);
    if (!hidden && !hidden.error().is(ENOENT)) return std::move(hidden).error();
    if (hidden) {
      const HeldNode held(*lower, hidden->node);
      state.reserved = true;
      return state;
    }
  }
  const FdPtr fd = TRY(upper_fd(dir));
  auto st = stat_for_users(FileAt{fd->ref(), name.c_str()});
  if (st) {
    state.upper = NameState::In::object;
    state.st = *st;
    if (is_device_whiteout(*st)) {
      state.upper = NameState::In::whiteout;
    } else if (dir.dir->xattr_whiteouts && S_ISREG(st->stx_mode) && st->stx_size == 0) {
      if (TRY(has_whiteout_xattr(FileAt{fd->ref(), name.c_str()}))) state.upper = NameState::In::whiteout;
    }
    return state;
  }
  if (!st.error().is(ENOENT)) return std::move(st).error();
  if (!dir.has_lower || !TRY(has_file_whiteouts(dir))) return state;
  const std::string beside = whiteout_file_name(name.view());
  if (beside.empty()) return state;
  auto whiteout = stat_of(FileAt{fd->ref(), beside.c_str()});
  if (!whiteout) {
    if (whiteout.error().is(ENOENT)) return state;
    return std::move(whiteout).error();
  }
  if (!upper->file_dialect()) {
    // Hiding nothing, it is a user's own file and must never be taken away with the name it seems to hide.
    TRY(look_below(dir, name, state));
    if (!state.below) return state;
  }
  state.upper = NameState::In::file_whiteout;
  return state;
}

Result<bool> has_whiteout_xattr(FileAt at) {
  for (const char* mark : {"user.overlay.whiteout", "trusted.overlay.whiteout"}) {
    auto value = sys::get_xattr(at, mark);
    if (value) return true;
    if (!value.error().is(ENODATA) && !value.error().is(ENOTSUP)) return std::move(value).error();
  }
  return false;
}

Result<void> Overlay::Impl::look_below(Inode& dir, const Name& name, NameState& state) {
  if (!dir.has_lower || state.reserved || state.below) return {};
  auto entry = lower->lookup(dir.lower, name.view());
  if (entry) {
    state.below = Below{.node = HeldNode(*lower, entry->node), .attr = entry->attr};
    return {};
  }
  if (entry.error().is(ENOENT)) return {};
  return std::move(entry).error();
}

Result<NameState> Overlay::Impl::look_locked(Inode& dir, const Name& name, bool want_below) {
  NameState state = TRY(look_in_upper(dir, name));
  const bool may_merge = state.is_upper() && S_ISDIR(state.st.stx_mode);
  if (want_below || may_merge || state.upper == NameState::In::absent) TRY(look_below(dir, name, state));
  return state;
}

// What the kernel was told of before; without the directory's mutex. An answer is one that was right at some
// moment during the call: an inode leaves the table before its name is given to another.
Result<std::optional<Child>> Overlay::Impl::known_child(Inode& dir, const Name& name, const NameState& state) {
  if (state.is_upper()) {
    InodeRef known = inodes.find_upper(state.st.stx_ino);
    // One without a place gets one under the mutex.
    if (!known || known->type != (state.st.stx_mode & S_IFMT) || !known->has_place()) return std::optional<Child>();
    // So does another name of a hard link: it is noted under the mutex.
    if (!known->is_dir() && state.st.stx_nlink > 1 && !inodes.other_names().knows(*known, dir, name.view()))
      return std::optional<Child>();
    Attr attr = shown(*known, state.st);
    return std::optional<Child>(Child{std::move(known), std::move(attr)});
  }
  if (state.reserved || state.upper != NameState::In::absent || !dir.has_lower) return std::optional<Child>();
  InodeRef known = inodes.find_placed(dir, name.view());
  if (!known) return std::optional<Child>();
  Attr of = TRY(attr(*known));
  return std::optional<Child>(Child{std::move(known), std::move(of)});
}

Result<Opacity> Overlay::Impl::read_upper_opacity(FdRef dir) {
  const Opacity opacity = TRY(read_opacity(dir));
  if (opacity == Opacity::opaque) return opacity;
  auto mark = stat_of(FileAt{dir, std::string(kOpaqueFile).c_str()});
  if (mark) return Opacity::opaque;
  return mark.error().is(ENOENT) ? Result<Opacity>(opacity) : Result<Opacity>(std::move(mark).error());
}

Result<InodeRef> Overlay::Impl::adopt_upper_locked(Inode& dir, const Name& name, const struct statx& st,
                                                   NameState& state) {
  if (InodeRef known = inodes.find_upper(st.stx_ino)) {
    if (known->type == (st.stx_mode & S_IFMT)) {
      give_name(*known, dir, name);
      return known;
    }
    inodes.drop_key(*known);  // somebody changed the upper behind us, and its number was given out again
  }
  if (index && S_ISREG(st.stx_mode)) {
    if (InodeRef shared = TRY(shared_copy_locked(st.stx_ino))) {
      give_name(*shared, dir, name);
      return shared;
    }
  }
  const FdPtr parent = TRY(upper_fd(dir));
  const FileAt at{parent->ref(), name.c_str()};
  // A directory over a directory of the lower is merged with it, unless it says it starts afresh.
  HeldNode below;
  FdPtr fd;
  bool xattr_whiteouts = false;
  // One that was moved says where the lower has its part; it brought its number along, which marks the parent.
  if (S_ISDIR(st.stx_mode) && (state.lower_dir() || TRY(is_impure(dir)))) {
    fd = FdPtr::share(
        TRY(with_descriptors([&] { return sys::open(at, O_PATH | O_NOFOLLOW | O_DIRECTORY); })));
    const Opacity opacity = TRY(read_upper_opacity(fd->ref()));
    xattr_whiteouts = opacity == Opacity::has_xattr_whiteouts;
    if (opacity != Opacity::opaque) below = TRY(merged_below(dir, fd->ref(), state));
  }
  bool metacopy = false;
  if (TRY(may_be_metacopy(dir, st))) {
    auto mark = sys::get_xattr(at, metacopy_mark().c_str());
    if (!mark && !mark.error().is(ENODATA) && !mark.error().is(ENOTSUP)) return std::move(mark).error();
    metacopy = mark.has_value();
    if (metacopy) {
      if (!options.follows_marks) return fail(EIO, "refusing to follow a metacopy to its bytes");
      TRY(look_below(dir, name, state));
      const Fd object = TRY(with_descriptors([&] { return sys::open(at, O_PATH | O_NOFOLLOW); }));
      below = TRY(merged_below(dir, object.ref(), state));
    }
  }
  auto fresh = inodes.make(st.stx_mode, std::move(below), TRY(ino_in(dir, at, st.stx_ino)));
  if (fresh->dir) fresh->dir->xattr_whiteouts = xattr_whiteouts;
  fresh->metacopy.store(metacopy, std::memory_order_relaxed);
  fresh->settle(dir, name.view());
  if (fd) {
    Lock lock(fresh->mutex);
    fresh->fd = fd;
  }
  InodeRef inode = inodes.add_upper(std::move(fresh), st.stx_ino);
  if (fd) fds.add(*inode);
  return inode;
}

Result<Child> Overlay::Impl::child_locked(Inode& dir, const Name& name, NameState state, bool is_new) {
  if (!state.visible()) return Error(ENOENT);
  if (state.is_upper()) {
    InodeRef inode = TRY(adopt_upper_locked(dir, name, state.st, state));
    Attr attr = shown(*inode, state.st);
    return Child{std::move(inode), std::move(attr)};
  }
  if (is_shared(*state.below)) {
    InodeRef inode = TRY(shared_locked(dir, name, *state.below));
    Attr of = TRY(attr(*inode));
    return Child{std::move(inode), std::move(of)};
  }
  InodeRef inode = is_new ? InodeRef() : inodes.find_placed(dir, name.view());
  if (!inode)
    inode = inodes.add_placed(inodes.make(state.below->attr.mode, std::move(state.below->node), state.below->attr.ino),
                              dir, name.view());
  Attr of = state.below->attr;
  if (of.is_dir()) of.nlink = 1;
  return Child{std::move(inode), std::move(of)};
}

Result<Child> Overlay::Impl::child(Inode& dir, const Name& name, bool is_new) {
  const std::uint64_t changes = dir.dir->changes.load(std::memory_order_acquire);
  NameState state = TRY(look_in_upper(dir, name));
  if (!is_new || state.is_upper()) {
    if (auto known = TRY(known_child(dir, name, state))) {
      known_lookups.fetch_add(1, std::memory_order_relaxed);
      return *std::move(known);
    }
  }
  asked_lookups.fetch_add(1, std::memory_order_relaxed);

  SharedLock lock(dir.dir->mutex);
  if (dir.dir->dead) return Error(ENOENT);
  // What was seen before the mutex still holds if nobody has changed a name since.
  if (changes % 2 != 0 || changes != dir.dir->changes.load(std::memory_order_acquire)) state = TRY(look_in_upper(dir, name));
  const bool may_merge = state.is_upper() && S_ISDIR(state.st.stx_mode);
  if (may_merge || state.upper == NameState::In::absent) TRY(look_below(dir, name, state));
  return child_locked(dir, name, std::move(state), is_new);
}

Result<Found> Overlay::lookup(Ino parent, std::string_view text) {
  const Name name = TRY(Name::of(text));
  const InodeRef dir = TRY(impl_->directory(parent));
  const Child child = TRY(impl_->child(*dir, name, false));
  return impl_->give(child.inode, child.attr);
}

}  // namespace acetate::fs
