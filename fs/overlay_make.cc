// Making names: files, directories, symlinks, special files, links.
//
// In the ordinary case the object is made in its place, in the real parent, so that the kernel inherits group,
// sgid and default ACL by its own rules. Only over a whiteout it is made in the work directory and swapped in,
// so that what the whiteout hides never shows; there the same inheritance is arranged by hand.
#include <fcntl.h>
#include <sys/sysmacros.h>

#include <functional>

#include "base/scope.h"
#include "base/sys/file.h"
#include "base/sys/xattr.h"
#include "fs/overlay_file.h"
#include "fs/overlay_impl.h"

namespace acetate::fs {

namespace {

constexpr const char* kDefaultAcl = "system.posix_acl_default";

Result<void> chown(FileAt at, uid_t uid, gid_t gid) {
  return *at.name == '\0' ? sys::chown(at.dir, uid, gid) : sys::chown(at, uid, gid);
}

// Puts back the mode bits that chown(2) takes away.
Result<void> restore_special_bits(FileAt at, struct statx& st, bool owner, mode_t mode) {
  const mode_t special = mode & (S_ISUID | S_ISGID | S_ISVTX);
  if (S_ISLNK(st.stx_mode) || special == 0) return {};
  if ((st.stx_mode & special) == special && (!owner || S_ISDIR(st.stx_mode))) return {};
  const mode_t whole = (st.stx_mode & 07777) | special;
  if (*at.name == '\0') {
    TRY(sys::chmod(at.dir, whole));
  } else {
    const Fd fd = TRY(sys::open(at, O_PATH | O_NOFOLLOW));
    TRY(sys::chmod(fd.ref(), whole));
  }
  st.stx_mode = static_cast<std::uint16_t>((st.stx_mode & S_IFMT) | whole);
  return {};
}

// Whom a new object is to belong to, on disk.
struct NewOwner {
  uid_t uid;
  gid_t gid;
};
NewOwner owner_of(const Caller& caller, const Owners& owners) {
  return {owners.uid_on_disk(caller.uid), owners.gid_on_disk(caller.gid)};
}

Result<void> remove_again(FileAt at, bool is_dir) { return is_dir ? sys::rmdir(at) : sys::unlink(at); }

}  // namespace

// `at` may be an open descriptor with the name "".
Result<void> Overlay::Impl::give_to(FileAt at, struct statx& st, uid_t uid, gid_t gid, const NewObject& object,
                                    mode_t mode) {
  if (permissions().in_xattr()) {
    TRY(permissions().describe(at, uid, gid, mode, object.rdev));
    st = TRY(permissions().stat(at));
    return {};
  }
  const bool owner = st.stx_uid != uid || st.stx_gid != gid;
  if (owner) {
    auto given = chown(at, uid, gid);
    if (given) {
      st.stx_uid = uid;
      st.stx_gid = gid;
    }
    TRY(options.owners.forgive(std::move(given)));
  }
  return restore_special_bits(at, st, owner, mode);
}

Result<void> Overlay::Impl::move_new(FileAt from, bool is_dir, const std::function<Result<void>()>& move) {
  auto moved = move();
  if (moved || !is_dir || !moved.error().is(EACCES)) return moved;
  const Fd fd = TRY(with_descriptors([&] { return sys::open(from, O_PATH | O_DIRECTORY | O_NOFOLLOW); }));
  return with_owner_access(fd.ref(), kToMove, move);
}

Result<bool> Overlay::Impl::has_default_acl(Inode& dir) {
  const Known known = dir.dir->default_acl.load(std::memory_order_relaxed);
  if (known != Known::not_yet) return known == Known::yes;
  if (permissions().in_xattr()) return false;
  auto acl = sys::get_xattr(TRY(upper_fd(dir))->ref(), kDefaultAcl);
  if (!acl && !acl.error().is(ENODATA) && !acl.error().is(ENOTSUP)) return std::move(acl).error();
  dir.dir->default_acl.store(acl ? Known::yes : Known::no, std::memory_order_relaxed);
  return acl.has_value();
}

// POSIX: a default ACL takes the umask's place.
Result<mode_t> Overlay::Impl::masked_mode(Inode& dir, mode_t mode, const Caller& caller) {
  const mode_t masked = mode & ~(caller.umask & 0777);
  if (S_ISLNK(mode) || masked == mode || TRY(has_default_acl(dir))) return mode;
  return masked;
}

Child Overlay::Impl::register_new(Inode& dir, const Name* name, const struct statx& st) {
  auto fresh = inodes.make(st.stx_mode, HeldNode(), own_ino(st.stx_ino));
  if (fresh->dir) fresh->dir->impure.store(Known::no, std::memory_order_relaxed);
  fresh->bare.store(true, std::memory_order_relaxed);
  if (name != nullptr) fresh->settle(dir, name->view());
  InodeRef inode = inodes.add_upper(std::move(fresh), st.stx_ino);
  Attr attr = shown(*inode, st);
  return {.inode = std::move(inode), .attr = std::move(attr)};
}

Result<Child> Overlay::Impl::make_in_place_locked(Inode& dir, const Name& name, const NewObject& object, mode_t mode) {
  const FdPtr parent = TRY(upper_fd(dir));
  const FileAt at{parent->ref(), name.c_str()};
  TRY(with_descriptors([&] { return object.put(at, permissions().made_as(mode)); }));
  Undo undo([&] { (void)remove_again(at, S_ISDIR(mode)); });
  struct statx st = TRY(stat_of(at));
  auto [uid, gid] = owner_of(object.caller, options.owners);
  // Another group than the caller's: either the parent hands down its own, or it is ours.
  if (permissions().in_xattr() || st.stx_gid != gid) {
    const struct statx above = TRY(permissions().stat(FileAt{parent->ref(), ""}));
    if ((above.stx_mode & S_ISGID) != 0) {
      gid = above.stx_gid;
      if (S_ISDIR(mode)) mode |= S_ISGID;
    }
  }
  TRY(give_to(at, st, uid, gid, object, mode));
  undo.release();
  return register_new(dir, &name, st);
}

Result<Child> Overlay::Impl::make_over_whiteout_locked(Inode& dir, const Name& name, const NewObject& object,
                                                       mode_t mode, const NameState& state) {
  const FdPtr parent = TRY(upper_fd(dir));
  const struct statx above = TRY(permissions().stat(FileAt{parent->ref(), ""}));
  const bool hands_down_group = (above.stx_mode & S_ISGID) != 0;
  const NewOwner owner = owner_of(object.caller, options.owners);
  const gid_t gid = hands_down_group ? above.stx_gid : owner.gid;
  if (hands_down_group && S_ISDIR(mode)) mode |= S_ISGID;

  Temp temp = upper->work().temp();
  if (!S_ISLNK(mode) && TRY(has_default_acl(dir))) {
    // The kernel is to inherit the ACL: the object is born in a directory that has it.
    const std::string acl = TRY(sys::get_xattr(parent->ref(), kDefaultAcl));
    Temp nursery = upper->work().temp();
    TRY(sys::mkdir(nursery.at(), 0700));
    const Fd fd = TRY(with_descriptors([&] { return sys::open(nursery.at(), O_PATH | O_DIRECTORY | O_NOFOLLOW); }));
    TRY(sys::set_xattr(fd.ref(), kDefaultAcl, acl));
    TRY(with_descriptors([&] { return object.put(FileAt{fd.ref(), "new"}, permissions().made_as(mode)); }));
    const FileAt born{fd.ref(), "new"};
    TRY(move_new(born, S_ISDIR(mode), [&] { return sys::rename(born, temp.at()); }));
  } else {
    TRY(with_descriptors([&] { return object.put(temp.at(), permissions().made_as(mode)); }));
  }
  struct statx st = TRY(stat_of(temp.at()));
  TRY(give_to(temp.at(), st, owner.uid, gid, object, mode));
  if (S_ISDIR(mode) && state.lower_dir()) {
    const Fd fd = TRY(with_descriptors([&] { return sys::open(temp.at(), O_PATH | O_DIRECTORY | O_NOFOLLOW); }));
    TRY(with_owner_access(fd.ref(), 0700, [&] { return upper->put_opaque(fd.ref()); }));
  }
  const FileAt at{parent->ref(), name.c_str()};
  if (state.upper == NameState::In::whiteout) {
    auto published = move_new(temp.at(), S_ISDIR(mode), [&] { return upper->publish_over_whiteout(temp, at, S_ISDIR(mode)); });
    if (!published) expect_cover(dir);
    TRY(std::move(published));
  } else {
    TRY(move_new(temp.at(), S_ISDIR(mode), [&] { return upper->publish_new(temp, at); }));
    upper->remove_file_whiteout(at);
  }
  return register_new(dir, &name, st);
}

Result<Child> Overlay::Impl::make_locked(Inode& dir, const Name& name, const NewObject& object) {
  if (dir.dir->dead) return Error(ENOENT);
  const mode_t mode = TRY(masked_mode(dir, object.mode, object.caller));
  // Where nothing can be hidden the kernel's own EEXIST says all.
  if (!dir.has_lower && !name.view().starts_with(kWhiteoutPrefix)) {
    auto made = make_in_place_locked(dir, name, object, mode);
    if (made || !made.error().is(EEXIST)) return made;
  }
  const NameState state = TRY(look_locked(dir, name, true));
  if (state.reserved) return Error(EINVAL);
  if (state.visible()) return Error(EEXIST);
  if (state.upper == NameState::In::absent) return make_in_place_locked(dir, name, object, mode);
  return make_over_whiteout_locked(dir, name, object, mode, state);
}

Result<Child> Overlay::Impl::make(Inode& dir, const Name& name, const NewObject& object) {
  const DirChange change(*dir.dir);
  return make_locked(dir, name, object);
}

Result<Found> Overlay::mknod(Ino parent, std::string_view text, mode_t mode, dev_t rdev, const Caller& caller) {
  const Name name = TRY(Name::of(text));
  const InodeRef dir = TRY(impl_->writable_directory(parent));
  // To everybody else that is a whiteout (as ovl_mknod()).
  if (acetate::is_device_whiteout(mode, rdev)) return Error(EPERM);
  const Child made = TRY(impl_->make(*dir, name,
                                     {.mode = mode, .caller = caller, .rdev = rdev, .put = [&](FileAt at, mode_t masked) {
                                        return sys::mknod(at, masked, rdev);
                                      }}));
  return impl_->give(made.inode, made.attr);
}

Result<Found> Overlay::mkdir(Ino parent, std::string_view text, mode_t mode, const Caller& caller) {
  const Name name = TRY(Name::of(text));
  const InodeRef dir = TRY(impl_->writable_directory(parent));
  const Child made = TRY(impl_->make(
      *dir, name, {.mode = (mode & 07777) | S_IFDIR, .caller = caller, .put = [](FileAt at, mode_t masked) {
                     return sys::mkdir(at, masked & 07777);
                   }}));
  return impl_->give(made.inode, made.attr);
}

Result<Found> Overlay::symlink(Ino parent, std::string_view text, const std::string& target, const Caller& caller) {
  const Name name = TRY(Name::of(text));
  const InodeRef dir = TRY(impl_->writable_directory(parent));
  const Child made = TRY(impl_->make(*dir, name,
                                     {.mode = S_IFLNK | 0777, .caller = caller, .put = [&](FileAt at, mode_t) {
                                        return sys::symlink(target.c_str(), at);
                                      }}));
  return impl_->give(made.inode, made.attr);
}

Result<Created> Overlay::create(Ino parent, std::string_view text, mode_t mode, int flags, const Caller& caller) {
  const Name name = TRY(Name::of(text));
  const InodeRef dir = TRY(impl_->writable_directory(parent));
  const int wanted = upper_flags(flags, impl_->options.durable) & ~(O_TRUNC | O_APPEND);
  Fd opened;
  auto made = impl_->make(
      *dir, name,
      {.mode = (mode & 07777) | S_IFREG, .caller = caller, .put = [&](FileAt at, mode_t masked) -> Result<void> {
         opened = TRY(sys::open(at, wanted | O_CREAT | O_EXCL | O_NOFOLLOW, masked & 07777));
         return {};
       }});
  if (!made && made.error().is(EEXIST) && (flags & O_EXCL) == 0) {
    const Found found = TRY(lookup(parent, text));
    auto handle = open(found.ino, flags & ~O_CREAT);
    if (handle) return Created{.found = found, .opened = *std::move(handle)};
    forget(found.ino, 1);
    return std::move(handle).error();
  }
  const Child child = TRY(std::move(made));
  auto file = std::make_shared<OpenFile>(child.inode, flags);
  file->upper = std::move(opened);
  file->upper_ready.store(true, std::memory_order_release);
  return Created{.found = impl_->give(child.inode, child.attr), .opened = {.handle = impl_->handles.add(std::move(file))}};
}

Result<Created> Overlay::tmpfile(Ino parent, mode_t mode, int flags, const Caller& caller) {
  const InodeRef dir = TRY(impl_->writable_directory(parent));
  const mode_t masked = TRY(impl_->masked_mode(*dir, (mode & 07777) | S_IFREG, caller));
  const FdPtr above = TRY(impl_->upper_fd(*dir));
  const int wanted = (upper_flags(flags, impl_->options.durable) & ~(O_TRUNC | O_APPEND)) | O_TMPFILE;
  const mode_t on_disk = impl_->permissions().made_as(masked) & 07777;
  auto made = impl_->with_descriptors([&] { return sys::open(FileAt{above->ref(), "."}, wanted, on_disk); });
  if (!made && made.error().is(EISDIR)) return Error(EOPNOTSUPP);
  Fd opened = TRY(std::move(made));
  struct statx st = TRY(stat_of(FileAt{opened.ref(), ""}));
  auto [uid, gid] = owner_of(caller, impl_->options.owners);
  if (impl_->permissions().in_xattr() || st.stx_gid != gid) {
    const struct statx parent_st = TRY(impl_->permissions().stat(FileAt{above->ref(), ""}));
    if ((parent_st.stx_mode & S_ISGID) != 0) gid = parent_st.stx_gid;
  }
  TRY(impl_->give_to(FileAt{opened.ref(), ""}, st, uid, gid, {.mode = masked, .caller = caller, .put = {}}, masked));
  Fd stays = TRY(impl_->with_descriptors([&] { return sys::dup(opened.ref()); }));
  const Child child = impl_->register_new(*dir, nullptr, st);
  {
    Lock lock(child.inode->mutex);
    child.inode->fd = FdPtr::share(std::move(stays));
  }
  auto file = std::make_shared<OpenFile>(child.inode, flags);
  file->upper = std::move(opened);
  file->upper_ready.store(true, std::memory_order_release);
  return Created{.found = impl_->give(child.inode, child.attr), .opened = {.handle = impl_->handles.add(std::move(file))}};
}

Result<Found> Overlay::link(Ino ino, Ino new_parent, std::string_view text) {
  const Name name = TRY(Name::of(text));
  const InodeRef inode = TRY(impl_->inode(ino));
  if (inode->is_dir()) return Error(EPERM);
  const InodeRef dir = TRY(impl_->writable_directory(new_parent));
  TRY(impl_->copy_up(*inode));
  {
    const DirChange change(*dir->dir);
    if (dir->dir->dead) return Error(ENOENT);
    const NameState state = TRY(impl_->look_locked(*dir, name, false));
    if (state.reserved) return Error(EINVAL);
    if (state.visible()) return Error(EEXIST);
    if (impl_->brings_ino(*inode)) TRY(impl_->make_impure(*dir));
    std::optional<DirChange> counted;
    if (impl_->is_shared(*inode)) {
      counted.emplace(*impl_->index_root->dir);
      TRY(impl_->keep_difference(*inode));
    }
    const FdPtr object = TRY(impl_->upper_fd(*inode));
    const FdPtr parent = TRY(impl_->upper_fd(*dir));
    const FileAt at{parent->ref(), name.c_str()};
    if (state.upper == NameState::In::whiteout) {
      Temp temp = impl_->upper->work().temp();
      TRY(sys::link(object->ref(), temp.at()));
      TRY(impl_->upper->publish_over_whiteout(temp, at, false));
    } else {
      TRY(sys::link(object->ref(), at));
      if (state.upper == NameState::In::file_whiteout) impl_->upper->remove_file_whiteout(at);
    }
    impl_->give_name(*inode, *dir, name);
  }
  const Attr attr = TRY(impl_->attr(*inode));
  return impl_->give(inode, attr);
}

}  // namespace acetate::fs
