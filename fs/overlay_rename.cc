// Renaming: one name becomes another, atomically, with a whiteout left behind where the lower has the old one.
//
// A directory that a lower takes part in moves only with redirect_dir (overlay_redirect.cc); else that is EXDEV, which mv(1)
// and the package managers answer by copying. What is in the upper is renamed right away; what is not is copied up, with no mutex
// held, and looked at again under the mutexes, and once more from the beginning if it changed meanwhile.
#include <linux/fs.h>
#include <stdio.h>

#include "base/scope.h"
#include "base/sys/file.h"
#include "fs/overlay_impl.h"

namespace acetate::fs {

// One rename, as far as it is known.
struct Overlay::Impl::Move {
  Inode& from_dir;
  const Name& from_name;
  Inode& to_dir;
  const Name& to_name;
  unsigned flags;
  bool ancestry_still;  // the rename mutex is held

  // Found out under the mutexes.
  NameState::In target_in = NameState::In::absent;
  bool target_is_device = false;     // a device whiteout stands there
  bool lower_has_source = false;     // a whiteout must stay behind
  bool source_lower_dir = false;
  bool target_lower_dir = false;
  InodeRef source = {};
  InodeRef target = {};              // null when nothing visible is there
  struct statx target_st = {};

  bool exchanges() const { return (flags & RENAME_EXCHANGE) != 0; }
};

namespace {

bool is_ancestor(const Inode& above, Inode& below) {
  InodeRef at(below);
  while (at) {
    if (at.get() == &above) return true;
    auto place = at->place();
    at = place ? place->parent : InodeRef();
  }
  return false;
}

}  // namespace

// What is to be moved must be in the upper, and movable.
Result<bool> Overlay::Impl::lift(Inode& dir, const Name& name) {
  InodeRef inode;
  {
    SharedLock lock(dir.dir->mutex);
    inode = TRY(child_locked(dir, name, TRY(look_locked(dir, name, false)))).inode;
  }
  const bool merged = inode->is_dir() && inode->has_lower;
  if (merged && !may_redirect()) return Error(EXDEV);
  TRY(copy_up(*inode));
  return merged;
}

Result<void> Overlay::Impl::mark_moved(Inode& moved, bool over_lower_dir) {
  if (!moved.is_dir()) return {};
  if (moved.has_lower) return put_redirect(moved);
  // What goes to a name where the lower has a directory must not be merged with it.
  if (!over_lower_dir) return {};
  const FdPtr fd = TRY(upper_fd(moved));
  return with_owner_access(fd->ref(), 0700, [&] { return upper->put_opaque(fd->ref()); });
}

// False: begin again.
Result<bool> Overlay::Impl::rename_locked(Move& move) {
  if (move.from_dir.dir->dead || move.to_dir.dir->dead) return Error(ENOENT);
  NameState source = TRY(look_locked(move.from_dir, move.from_name, true));
  NameState target = TRY(look_locked(move.to_dir, move.to_name, true));
  if (!source.visible()) return Error(ENOENT);
  if (target.reserved) return Error(EINVAL);
  const bool source_in_upper = source.is_upper();
  move.lower_has_source = source.below.has_value();
  move.source_lower_dir = source.lower_dir();
  move.target_lower_dir = target.lower_dir();
  move.target_in = target.upper;
  move.target_is_device = target.upper == NameState::In::whiteout && S_ISCHR(target.st.stx_mode);
  move.target_st = target.st;
  const bool target_visible = target.visible();
  move.source = TRY(child_locked(move.from_dir, move.from_name, std::move(source))).inode;
  if (target_visible) move.target = TRY(child_locked(move.to_dir, move.to_name, std::move(target))).inode;
  Inode& moved = *move.source;

  const auto must_stay = [&](const Inode& inode) { return inode.is_dir() && inode.has_lower && !may_redirect(); };
  const auto needs_stillness = [&](const Inode& inode) {
    return inode.is_dir() && inode.has_lower && !move.ancestry_still;
  };
  // The name leads to its bytes.
  const auto lacks_bytes = [](const Inode& inode) { return inode.metacopy.load(std::memory_order_acquire); };

  // All that forbids it first: what cannot be moved is not copied up either, as ovl_rename() has it. A copy would
  // show, for one of a lower's hard links ends being one.
  if (must_stay(moved)) return Error(EXDEV);
  if (!move.target && move.exchanges()) return Error(ENOENT);
  if (move.target && (move.flags & RENAME_NOREPLACE) != 0) return Error(EEXIST);
  if (move.target.get() == &moved) return true;  // two names of one file: POSIX wants nothing done
  if (moved.is_dir() && is_ancestor(moved, move.to_dir)) return Error(EINVAL);
  std::optional<DirChange> emptied;
  if (move.target) {
    const Inode& met = *move.target;
    const bool loops = met.is_dir() && is_ancestor(met, move.from_dir);
    if (loops) return Error(move.exchanges() ? EINVAL : ENOTEMPTY);
    if (move.exchanges()) {
      if (must_stay(met)) return Error(EXDEV);
    } else {
      if (moved.is_dir() != met.is_dir()) return Error(moved.is_dir() ? ENOTDIR : EISDIR);
      if (met.is_dir()) {
        emptied.emplace(*move.target->dir);
        TRY(require_empty_locked(move.to_dir, *move.target));
      }
    }
  }

  if (!source_in_upper || needs_stillness(moved) || lacks_bytes(moved)) return false;
  if (move.exchanges()) {
    Inode& other = *move.target;
    // A file that has its copy under another of its names may have none at this one yet.
    const bool stands = move.target_in == NameState::In::object;
    if (!stands || !other.is_upper() || needs_stillness(other) || lacks_bytes(other)) return false;
  } else if (move.target && is_shared(*move.target)) {
    return replace_shared_locked(move, move.target_in == NameState::In::object);
  }
  TRY(move_locked(move));
  return true;
}

Result<bool> Overlay::Impl::replace_shared_locked(Move& move, bool target_in_upper) {
  Inode& overwritten = *move.target;
  if (!target_in_upper && overwritten.is_upper()) {
    TRY(link_name_locked(overwritten, move.to_dir, move.to_name));
    return false;
  }
  const DirChange counted(*index_root->dir);
  if (target_in_upper) {
    TRY(keep_difference(overwritten));
    TRY(move_locked(move));
    lost_copy_name(overwritten);
    return true;
  }
  if (overwritten.is_upper()) return false;  // it is a copy since a moment ago
  const std::string path = TRY(path_below(move.to_dir)) + "/" + std::string(move.to_name.view());
  const Attr below = TRY(lower->attr(overwritten.lower));
  TRY(move_locked(move));
  lost_lower_name(overwritten, move.to_dir, move.to_name, below, path);
  return true;
}

Result<void> Overlay::Impl::move_locked(Move& move) {
  Inode& moved = *move.source;
  Inode* other = move.target.get();
  const FdPtr from_fd = TRY(upper_fd(move.from_dir));
  const FdPtr to_fd = TRY(upper_fd(move.to_dir));
  const FileAt from{from_fd->ref(), move.from_name.c_str()};
  const FileAt to{to_fd->ref(), move.to_name.c_str()};

  // The marks change nothing at the old name, should we fail below.
  TRY(mark_moved(moved, move.target_lower_dir));
  if (brings_ino(moved)) TRY(make_impure(move.to_dir));
  if (move.exchanges()) {
    TRY(mark_moved(*other, move.source_lower_dir));
    if (brings_ino(*other)) TRY(make_impure(move.from_dir));
  }
  if (move.lower_has_source) expect_whiteout(move.from_dir);

  using Was = OtherNames::Was;
  const Was was = TRY(take_name(moved, move.from_dir, move.from_name));
  Undo name_again([&] {
    if (was != Was::unknown) give_name(moved, move.from_dir, move.from_name);
  });
  Was other_was = Was::unknown;
  if (other != nullptr && other->is_upper()) other_was = TRY(take_name(*other, move.to_dir, move.to_name));
  Undo name_other_again([&] {
    if (other_was != Was::unknown) give_name(*other, move.to_dir, move.to_name);
  });

  Undo covered([&] {
    expect_cover(move.from_dir);
    expect_cover(move.to_dir);
  });
  if (move.exchanges()) {
    TRY(upper->exchange(from, to));
  } else if (moved.is_dir() && (move.target_in == NameState::In::object || move.target_in == NameState::In::whiteout)) {
    TRY(move_dir_onto_locked(move, from, to));
  } else {
    const bool occupied = move.target_in == NameState::In::object || move.target_in == NameState::In::whiteout;
    TRY(upper->rename(from, to, occupied, move.lower_has_source));
  }
  if (move.target_in == NameState::In::file_whiteout) upper->remove_file_whiteout(to);

  covered.release();
  name_again.release();
  name_other_again.release();
  if (was != Was::unknown) give_name(moved, move.to_dir, move.to_name);
  if (move.exchanges()) {
    if (other_was != Was::unknown) give_name(*other, move.from_dir, move.from_name);
  } else if (other != nullptr && other->is_upper()) {
    removed_locked(*other, move.target_st);
  } else if (other != nullptr && !is_shared(*other)) {
    inodes.drop_key(*other);
    other->leave_place(nullptr);
    if (other->dir) other->dir->dead = true;
  }
  return {};
}

// As ovl_clear_empty() has it: what is in the way are whiteouts, which a directory that is opaque needs no more. To users it stays as empty as it
// is until one rename puts the other in its place. ENOTSUP where it cannot be made opaque.
Result<void> Overlay::Impl::move_dir_onto_empty_locked(Move& move, FileAt from, FileAt to) {
  auto moved = upper->rename_onto_empty_dir(from, to, move.lower_has_source);
  if (moved || !(moved.error().is(ENOTEMPTY) || moved.error().is(EEXIST))) return moved;
  const FdPtr fd = TRY(upper_fd(*move.target));
  const auto hidden = TRY(with_owner_access(fd->ref(), 0700, [&] { return upper->clear_whiteouts(fd->ref()); }));
  moved = upper->rename_onto_empty_dir(from, to, move.lower_has_source);
  // We still know the directory as one that is merged.
  if (!moved) TRY(with_owner_access(fd->ref(), 0700, [&] { return upper->hide(fd->ref(), hidden); }));
  return moved;
}

// Onto a whiteout: swapped, and what came back taken away. So a directory that is empty but for whiteouts where it cannot be made opaque.
Result<void> Overlay::Impl::move_dir_onto_locked(Move& move, FileAt from, FileAt to) {
  const bool onto_dir = move.target_in == NameState::In::object;
  if (onto_dir) {
    auto moved = move_dir_onto_empty_locked(move, from, to);
    if (moved || !(means_no_such_flag(moved.error()) || moved.error().is(ENOTSUP))) return moved;
  }
  // Its owner must be allowed to move the one in the way too.
  const auto swap = [&]() -> Result<void> {
    auto swapped = upper->exchange(from, to);
    if (swapped || !onto_dir || !swapped.error().is(EACCES)) return swapped;
    const FdPtr met = TRY(upper_fd(*move.target));
    return with_owner_access(met->ref(), kToMove, [&] { return upper->exchange(from, to); });
  };
  auto swapped = swap();
  if (!swapped) {
    if (!means_no_such_flag(swapped.error())) return swapped;
    move.to_dir.dir->file_whiteouts.store(Known::yes, std::memory_order_relaxed);
    auto moved = upper->rename_dir_onto(from, to, onto_dir, move.lower_has_source);
    if (moved || !onto_dir || !moved.error().is(EACCES)) return moved;
    const FdPtr met = TRY(upper_fd(*move.target));
    auto again = with_owner_access(met->ref(), kToMove, [&] { return upper->rename_dir_onto(from, to, onto_dir, move.lower_has_source); });
    // It was out of the way already, and the other is what may not be moved.
    return !again && again.error().is(ENOENT) ? std::move(moved) : std::move(again);
  }
  // The whiteout that came back may be just what has to stay.
  if (move.target_is_device && move.lower_has_source && !upper->file_dialect()) return {};
  auto removed = remove_from_upper(move.target.get(), from, onto_dir, move.lower_has_source);
  if (!removed) TRY(swap());
  return removed;
}

Result<void> Overlay::rename(Ino parent, std::string_view text, Ino new_parent, std::string_view new_text,
                             unsigned flags) {
  if (flags != 0 && flags != RENAME_NOREPLACE && flags != RENAME_EXCHANGE) return Error(EINVAL);
  const Name from_name = TRY(Name::of(text));
  const Name to_name = TRY(Name::of(new_text));
  const InodeRef from = TRY(impl_->writable_directory(parent));
  const InodeRef to = TRY(impl_->writable_directory(new_parent));
  // Mostly it is the upper's already: what that needs is found out by trying.
  for (bool lifted = false;; lifted = true) {
    bool merged = false;
    if (lifted) {
      merged = TRY(impl_->lift(*from, from_name));
      if ((flags & RENAME_EXCHANGE) != 0) merged = TRY(impl_->lift(*to, to_name)) || merged;
    }
    Impl::Move move{.from_dir = *from,
                    .from_name = from_name,
                    .to_dir = *to,
                    .to_name = to_name,
                    .flags = flags,
                    .ancestry_still = merged || from.get() != to.get()};
    bool done = false;
    if (from.get() == to.get()) {
      // The path of a merged directory is read off its ancestors, which then have to stand still as well.
      // So do those of the directory in which a name of a lower hard link goes.
      std::optional<Lock<Mutex>> still;
      if (merged || impl_->index) still.emplace(impl_->rename_mutex);
      const DirChange change(*from->dir);
      done = TRY(impl_->rename_locked(move));
    } else {
      // Ancestry stands still; then ancestors before descendants, else by number.
      Lock still(impl_->rename_mutex);
      const bool from_first = is_ancestor(*from, *to) || (!is_ancestor(*to, *from) && from->ino < to->ino);
      const DirChange first(*(from_first ? from : to)->dir);
      const DirChange second(*(from_first ? to : from)->dir);
      done = TRY(impl_->rename_locked(move));
    }
    if (done) return {};
  }
}

}  // namespace acetate::fs
