// index=on: the names of a lower hard link stay one file when it is copied up.
//
// As the kernel's overlay has it (fs/overlayfs/copy_up.c, ovl_copy_up_workdir() with `indexed`; util.c, ovl_nlink_start()): the
// copy is published in the index, and that moment all names show it, whether or not they are links to it yet. Then the names
// that are known get their links, for the kernel asks by inode and does not say through which name it changes a file. What is
// not known yet is led to the copy by the number of the lower's file, and gets its link at the next change.
//
// Every change of a count holds the index's directory exclusively; the mutex of the name's directory is taken before.
#include <fcntl.h>

#include "base/log.h"
#include "base/sys/file.h"
#include "fs/overlay_impl.h"

namespace acetate::fs {

namespace {

// The number that users see of a shared file is its lower's, and stays so.
std::uint64_t origin_of(const Inode& inode) { return inode.st_ino.load(std::memory_order_relaxed); }

}  // namespace

Result<void> Overlay::Impl::open_index() {
  if (!options.index || !upper) return {};
  if (upper->xattr_prefix().empty())
    return fail(ENOTSUP, "index=on: the upper directory takes no extended attributes, in which the links are counted");
  index = TRY(LinkIndex::open(upper->work(), upper->root(), *lower, upper->xattr_prefix()));
  const struct statx st = TRY(stat_of(FileAt{index->dir(), ""}));
  auto made = inodes.make(S_IFDIR, HeldNode(), st.stx_ino);
  {
    Lock lock(made->mutex);
    made->fd = FdPtr::share(TRY(sys::open(FileAt{index->dir(), "."}, O_PATH | O_DIRECTORY)));
  }
  index_root = inodes.add_upper(std::move(made), st.stx_ino);
  return {};
}

Result<InodeRef> Overlay::Impl::shared_locked(Inode& dir, const Name& name, Below& below) {
  const std::uint64_t origin = below.attr.ino;
  const std::string entry = LinkIndex::entry_name(origin);
  const SharedLock lock(index_root->dir->mutex);
  InodeRef inode;
  if (const auto copy = index->copy_of(origin)) {
    inode = TRY(copy_in_index_locked(origin, *copy));
  } else {
    inode = inodes.find_placed(*index_root, entry);
    if (!inode) inode = inodes.add_placed(inodes.make(below.attr.mode, std::move(below.node), origin), *index_root, entry);
  }
  inodes.lower_names().add(*inode, dir, name.view());
  return inode;
}

Result<InodeRef> Overlay::Impl::shared_copy_locked(std::uint64_t upper_ino) {
  const auto origin = index->origin_of(upper_ino);
  if (!origin) return InodeRef();
  const SharedLock lock(index_root->dir->mutex);
  return copy_in_index_locked(*origin, upper_ino);
}

Result<InodeRef> Overlay::Impl::copy_in_index_locked(std::uint64_t origin, std::uint64_t upper_ino) {
  if (InodeRef known = inodes.find_upper(upper_ino)) return known;
  const std::string entry = LinkIndex::entry_name(origin);
  const struct statx st = TRY(stat_for_users(FileAt{index->dir(), entry.c_str()}));
  if (st.stx_ino != upper_ino) return Error(ESTALE);  // somebody changed the index behind us
  auto fresh = inodes.make(st.stx_mode, HeldNode(), origin);
  fresh->settle(*index_root, entry);
  return inodes.add_upper(std::move(fresh), upper_ino);
}

Result<std::string> Overlay::Impl::origin_path(Inode& inode) {
  const auto name = inodes.lower_names().any(inode);
  if (!name) {
    // No name is left that anybody knows: the last one that went was noted.
    auto path = index->path_of(origin_of(inode));
    return path ? Result<std::string>(*std::move(path)) : Error(ESTALE);
  }
  const Lock still(rename_mutex);
  return TRY(path_below(*name->dir)) + "/" + name->name;
}

Result<bool> Overlay::Impl::publish_shared(Inode& inode, const Attr& from, const FdPtr& copy, std::uint64_t upper_ino,
                                           const std::string& path, const std::function<Result<void>(FileAt)>& link) {
  const std::string entry = LinkIndex::entry_name(origin_of(inode));
  const DirChange counted(*index_root->dir);
  if (!is_shared(inode)) return false;
  TRY(with_owner_access(copy->ref(), 0200, [&] { return index->describe_copy(copy->ref(), origin_of(inode), from, path); }));
  TRY(link(FileAt{index->dir(), entry.c_str()}));
  index->add_copy(origin_of(inode), upper_ino, from.nlink);
  inodes.to_upper(inode, upper_ino);
  return true;
}

Result<void> Overlay::Impl::link_names(Inode& inode) {
  if (!index || inode.is_dir()) return {};
  bool linked = false;
  while (const auto at = inodes.lower_names().any(inode)) {
    TRY(copy_up(*at->dir));
    const Name name = TRY(Name::of(at->name));
    const DirChange change(*at->dir->dir);
    if (!inodes.lower_names().knows(inode, *at->dir, at->name)) continue;  // it went meanwhile
    TRY(link_name_locked(inode, *at->dir, name));
    linked = true;
  }
  // Who asked in between may have been told of one link too many.
  if (linked && rememberer != nullptr) rememberer->forget_attributes(inode.ino);
  return {};
}

Result<void> Overlay::Impl::link_name_locked(Inode& inode, Inode& dir, const Name& name) {
  const FdPtr copy = TRY(upper_fd(inode));
  const FdPtr parent = TRY(upper_fd(dir));
  const struct statx before = TRY(stat_of(FileAt{parent->ref(), ""}));
  TRY(make_impure(dir));
  {
    const DirChange counted(*index_root->dir);
    TRY(with_owner_access(copy->ref(), 0200, [&] { return index->keep_shown(origin_of(inode), copy->ref()); }));
    TRY(with_owner_access(parent->ref(), 0700, [&] { return sys::link(copy->ref(), FileAt{parent->ref(), name.c_str()}); }));
    index->linked(origin_of(inode));
  }
  inodes.lower_names().take(inode, dir, name.view());
  give_name(inode, dir, name);
  restore_times(parent->ref(), before, name);
  return {};
}

Result<void> Overlay::Impl::keep_difference(Inode& inode) {
  const FdPtr copy = TRY(upper_fd(inode));
  return with_owner_access(copy->ref(), 0200, [&] { return index->keep_difference(origin_of(inode), copy->ref()); });
}

void Overlay::Impl::lost_lower_name(Inode& inode, Inode& dir, const Name& name, const Attr& below, const std::string& path) {
  const std::uint64_t origin = origin_of(inode);
  inodes.lower_names().take(inode, dir, name.view());
  if (auto noted = index->lose_name(origin, below, path); !noted)
    log::info("{} counts among the links of a file again at the next mount: {}", path, noted.error().message());
  if (below.nlink + index->more_of_lower(origin) > 0) return;
  inodes.drop_key(inode);
  inode.leave_place(nullptr);
}

void Overlay::Impl::lost_copy_name(Inode& inode) {
  const std::uint64_t origin = origin_of(inode);
  const auto forget = [&]() -> Result<void> {
    const struct statx st = TRY(upper_stat(inode));
    if (st.stx_nlink + index->more_of_copy(st.stx_ino) > 0) return {};
    TRY(unplace(inode));
    index->forget(origin);
    const std::string entry = LinkIndex::entry_name(origin);
    return sys::unlink(FileAt{index->dir(), entry.c_str()});
  };
  if (auto forgotten = forget(); !forgotten)
    log::info("left {} in the index until the next mount: {}", LinkIndex::entry_name(origin), forgotten.error().message());
}

Result<void> Overlay::Impl::remove_shared_locked(Inode& inode, Inode& dir, const Name& name, const NameState& state) {
  const FdPtr above = TRY(upper_fd(dir));
  const FileAt at{above->ref(), name.c_str()};
  if (!state.is_upper()) {
    {
      const DirChange counted(*index_root->dir);
      if (!inode.is_upper()) {
        // Nothing is copied to be deleted.
        const std::string path = TRY(path_below(dir)) + "/" + std::string(name.view());
        expect_whiteout(dir);
        TRY(upper->put_whiteout(at));
        lost_lower_name(inode, dir, name, state.below->attr, path);
        return {};
      }
    }
    // So that the count cannot be wrong, whatever happens: one name and one link go together.
    TRY(link_name_locked(inode, dir, name));
  }
  const bool in_lower = state.below.has_value();
  const DirChange counted(*index_root->dir);
  TRY(keep_difference(inode));
  if (in_lower) expect_whiteout(dir);
  const auto was = TRY(take_name(inode, dir, name));
  auto removed = upper->remove(at, false, in_lower);
  if (!removed) {
    if (was != OtherNames::Was::unknown) give_name(inode, dir, name);
    return removed;
  }
  lost_copy_name(inode);
  return {};
}

}  // namespace acetate::fs
