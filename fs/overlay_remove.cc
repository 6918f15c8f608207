// Removing names. Nothing is copied up to be deleted: a whiteout stands where the lower really has the name, and
// nowhere else.
#include "base/scope.h"
#include "base/sys/file.h"
#include "fs/overlay_impl.h"

namespace acetate::fs {

void Overlay::Impl::removed_locked(Inode& inode, const struct statx& last) {
  if (inode.dir)
    inode.dir->dead = true;
  else
    settle_elsewhere(inode);
  if (S_ISDIR(last.stx_mode) || last.stx_nlink <= 1) forget_kept_ino(last.stx_ino);
}

// What cannot be removed where it stands goes by way of the work directory.
Result<void> Overlay::Impl::remove_from_upper(Inode* inode, FileAt at, bool is_dir, bool whiteout) {
  auto removed = upper->remove(at, is_dir, whiteout);
  if (removed || !is_dir || inode == nullptr || !removed.error().is(EACCES)) return removed;
  const FdPtr fd = TRY(upper_fd(*inode));
  return with_owner_access(fd->ref(), kToMove, [&] { return upper->remove(at, is_dir, whiteout); });
}

Result<void> Overlay::Impl::remove(Ino parent, std::string_view text, bool want_dir) {
  const Name name = TRY(Name::of(text));
  const InodeRef dir = TRY(writable_directory(parent));
  const FdPtr above = TRY(upper_fd(*dir));
  const FileAt at{above->ref(), name.c_str()};

  std::optional<Lock<Mutex>> still;  // where the lower has the last name of a hard link is noted
  if (index && !want_dir) still.emplace(rename_mutex);
  const DirChange change(*dir->dir);
  // A name that only the lower has. `known`: what stands there, if anybody knows it.
  const auto hide = [&](Inode* known) -> Result<void> {
    expect_whiteout(*dir);
    TRY(upper->put_whiteout(at));
    if (known == nullptr) return {};
    inodes.drop_key(*known);
    known->leave_place(nullptr);
    if (known->dir) known->dir->dead = true;
    return {};
  };
  // What is found by its place is the lower's alone: whoever puts something there in the upper takes that key away.
  if (const InodeRef known = inodes.find_placed(*dir, name.view()); known && !want_dir)
    return known->is_dir() ? Result<void>(Error(EISDIR)) : hide(known.get());
  NameState state = TRY(look_locked(*dir, name, true));
  if (!state.visible()) return Error(ENOENT);
  if (state.is_dir() != want_dir) return Error(want_dir ? ENOTDIR : EISDIR);
  const bool in_upper = state.is_upper();
  const bool in_lower = state.below.has_value();
  if (index && !want_dir) {
    const InodeRef shared = in_upper                 ? TRY(shared_copy_locked(state.st.stx_ino))
                            : is_shared(*state.below) ? TRY(shared_locked(*dir, name, *state.below))
                                                      : InodeRef();
    if (shared) return remove_shared_locked(*shared, *dir, name, state);
  }
  const struct statx st = state.st;

  // A directory's names must be known, and stand still; a file only matters if somebody knows it.
  InodeRef inode;
  if (want_dir)
    inode = TRY(child_locked(*dir, name, std::move(state))).inode;
  else
    inode = in_upper ? inodes.find_upper(st.stx_ino) : InodeRef();
  std::optional<DirChange> below;
  if (want_dir) {
    below.emplace(*inode->dir);
    TRY(require_empty_locked(*dir, *inode));
  }
  if (!in_upper) return hide(inode.get());
  if (in_lower) expect_whiteout(*dir);
  const auto was = inode ? TRY(take_name(*inode, *dir, name)) : OtherNames::Was::unknown;
  auto removed = remove_from_upper(inode.get(), at, want_dir, in_lower);
  if (!removed) {
    if (want_dir) expect_cover(*dir);
    if (was != OtherNames::Was::unknown) give_name(*inode, *dir, name);
    return removed;
  }
  if (inode)
    removed_locked(*inode, st);
  else if (st.stx_nlink <= 1)
    forget_kept_ino(st.stx_ino);
  return {};
}

Result<void> Overlay::unlink(Ino parent, std::string_view name) { return impl_->remove(parent, name, false); }
Result<void> Overlay::rmdir(Ino parent, std::string_view name) { return impl_->remove(parent, name, true); }

}  // namespace acetate::fs
