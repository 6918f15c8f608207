// Copy-up: an object of the lower becomes one of the upper, whole and at one moment.
//
// The copy is made in the work directory with no lock that anybody else waits for: only those who want to
// change the same inode do. Then the parent's names are held for the one link or rename that publishes it. Any
// failure before that leaves the lower showing and nothing behind. The order within is data, owner, xattrs,
// mode, times: a write would strip suid, chown strips it always, and setting an ACL changes the mode.
#include <fcntl.h>
#include <sys/stat.h>

#include <vector>

#include "base/log.h"
#include "base/scope.h"
#include "base/sys/file.h"
#include "base/sys/xattr.h"
#include "fs/copy_data.h"
#include "fs/overlay_impl.h"

namespace acetate::fs {

namespace {

// As ovl_copy_xattr(): only ACLs and "security." must arrive, another may be of a kind this file system, or this
// user, cannot have. Capabilities of a program only where everything is shown as somebody's own anyway.
bool may_be_lost(std::string_view name, const Error& error, const Owners& owners) {
  if (name.starts_with("system.posix_acl_")) return false;
  if (error.is(ENOTSUP) || (error.is(EPERM) && !name.starts_with("user."))) return name != "security.capability" || owners.squashes();
  return false;
}

// Copy-up parts the names of a lower hard link: two files must not show one number, so the copy shows its own.
bool keeps_ino(const Inode& inode, const Attr& from) { return inode.is_dir() || from.nlink <= 1; }

}  // namespace

Result<void> Overlay::Impl::copy_up(Inode& inode, std::optional<std::uint64_t> keep, Fd* file) {
  if (inode.is_upper()) {
    if (inode.metacopy.load(std::memory_order_acquire)) return copy_up_one(inode, keep, nullptr);
    return link_names(inode);
  }
  if (!upper) return Error(EROFS);
  // Parents first; the chain is walked, not recursed into.
  std::vector<InodeRef> above;
  for (auto place = inode.place(); place && !place->parent->is_upper(); place = above.back()->place())
    above.push_back(place->parent);
  for (auto dir = above.rbegin(); dir != above.rend(); ++dir) TRY(copy_up_one(**dir, {}, nullptr));
  TRY(copy_up_one(inode, keep, file));
  return link_names(inode);
}

Result<void> Overlay::Impl::copy_up_one(Inode& inode, std::optional<std::uint64_t> keep, Fd* file) {
  CopyGate& gate = gate_of(inode);
  {
    std::unique_lock waiting(gate.mutex);
    gate.done.wait(waiting, [&] { return !inode.copying; });
    if (inode.is_upper() && !inode.metacopy.load(std::memory_order_relaxed)) return {};
    inode.copying = true;
  }
  const Undo finish([&] {
    {
      std::lock_guard lock(gate.mutex);
      inode.copying = false;
    }
    gate.done.notify_all();
  });
  if (inode.is_upper()) return complete_copy(inode, keep);
  const std::uint64_t shown_before = inode.st_ino.load(std::memory_order_relaxed);
  TRY(S_ISREG(inode.type) ? copy_regular(inode, keep, file) : copy_special(inode));
  copy_ups.fetch_add(1, std::memory_order_relaxed);
  if (rememberer != nullptr && inode.st_ino.load(std::memory_order_relaxed) != shown_before) {
    rememberer->forget_attributes(inode.ino);
    if (const auto place = inode.place()) rememberer->forget_listing(place->parent->ino);
  }
  return {};
}

Result<void> Overlay::Impl::copy_metadata(Inode& inode, const Attr& from, FdRef to, const struct statx& st, bool truncated) {
  const bool aside = permissions().in_xattr();
  const bool is_anothers = st.stx_uid != from.uid || st.stx_gid != from.gid;
  if (!aside && is_anothers && !permissions().notes_owners()) TRY(options.owners.forgive(sys::chown(to, from.uid, from.gid)));
  if (options.xattrs) {
    for (const Xattr& xattr : TRY(lower->xattrs(inode.lower))) {
      const auto stored = stored_name(xattr.name);
      if (!stored) continue;
      auto set = sys::set_xattr(to, stored->c_str(), xattr.value);
      if (!set && !may_be_lost(xattr.name, set.error(), options.owners)) return set;
    }
  }
  if (keeps_ino(inode, from) || is_shared(inode)) TRY(keep_ino(to, st.stx_ino, inode.st_ino.load(std::memory_order_relaxed)));
  if (!S_ISLNK(inode.type)) TRY(sys::chmod(to, permissions().made_as(from.mode) & 07777));
  if (is_anothers && permissions().notes_owners()) TRY(permissions().note(to, from.uid, from.gid));
  if (aside) TRY(permissions().describe(FileAt{to, ""}, from.uid, from.gid, from.mode, from.rdev));
  // What is published without its end was changed this moment, whatever becomes of who asked for it.
  const struct timespec times[2] = {from.atime, truncated ? timespec{.tv_sec = 0, .tv_nsec = UTIME_NOW} : from.mtime};
  return sys::set_times(to, times);
}

Result<void> Overlay::Impl::copy_regular(Inode& inode, std::optional<std::uint64_t> keep, Fd* file) {
  const Attr attr = TRY(lower->attr(inode.lower));
  std::optional<std::string> shared_path;
  if (is_shared(inode)) shared_path = TRY(origin_path(inode));
  const auto view = TRY(with_descriptors([&] { return lower->open(inode.lower); }));
  std::optional<Temp> temp;
  auto made = with_descriptors([&] { return upper->work().nameless_file(); });
  if (!made && made.error().is(EOPNOTSUPP)) {
    temp.emplace(upper->work().temp());
    made = with_descriptors([&] { return sys::open(temp->at(), O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0600); });
  }
  const FdPtr copy = FdPtr::share(TRY(std::move(made)));
  const struct statx st = TRY(stat_of(FileAt{copy->ref(), ""}));
  Undo forget_ino([&] { forget_kept_ino(st.stx_ino); });

  const std::uint64_t length = std::min(view->size(), keep.value_or(view->size()));
  const std::uint64_t copied = TRY(copy_data(*view, copy->ref(), length));
  TRY(copy_metadata(inode, attr, copy->ref(), st, length < view->size()));
  // Before it can be seen, so that a crash shows the lower or all of it. The name itself needs no sync of the
  // parent: until it is on disk the lower shows, and an fsync of the file takes its link along.
  if (upper->durable() && length != 0) TRY(sys::fsync(copy->ref()));
  Fd handed = file != nullptr ? TRY(with_descriptors([&] { return sys::dup(copy->ref()); })) : Fd();
  const auto link = [&](FileAt at) { return temp ? upper->publish_new(*temp, at) : sys::link(copy->ref(), at); };
  if (!shared_path || !TRY(publish_shared(inode, attr, copy, st.stx_ino, *shared_path, link)))
    TRY(publish_copy(inode, attr, copy, st.stx_ino, link));
  forget_ino.release();
  copied_bytes.fetch_add(copied, std::memory_order_relaxed);
  if (file != nullptr) *file = std::move(handed);
  return {};
}

Result<void> Overlay::Impl::copy_special(Inode& inode) {
  const Attr attr = TRY(lower->attr(inode.lower));
  Temp temp = upper->work().temp();
  if (S_ISDIR(inode.type))
    TRY(sys::mkdir(temp.at(), 0700));
  else if (S_ISLNK(inode.type))
    TRY(sys::symlink(TRY(lower->readlink(inode.lower)).c_str(), temp.at()));
  else
    TRY(sys::mknod(temp.at(), permissions().made_as((attr.mode & S_IFMT) | 0600), attr.rdev));
  const FdPtr copy = FdPtr::share(
      TRY(with_descriptors([&] { return sys::open(temp.at(), O_PATH | O_NOFOLLOW); })));
  const struct statx st = TRY(stat_of(FileAt{copy->ref(), ""}));
  Undo forget_ino([&] { forget_kept_ino(st.stx_ino); });
  TRY(copy_metadata(inode, attr, copy->ref(), st, false));
  TRY(publish_copy(inode, attr, copy, st.stx_ino, [&](FileAt at) { return upper->publish_new(temp, at); }));
  forget_ino.release();
  return {};
}

void Overlay::Impl::restore_times(FdRef dir, const struct statx& before, const Name& name) noexcept {
  const Attr times_of = attr_of(before);
  const struct timespec times[2] = {times_of.atime, times_of.mtime};
  if (auto restored = sys::set_times(dir, times); !restored)
    log::debug("times of the directory above a copied-up {}: {}", name.view(), restored.error().message());
}

Result<void> Overlay::Impl::publish_copy(Inode& inode, const Attr& from, const FdPtr& copy, std::uint64_t upper_ino,
                                         const std::function<Result<void>(FileAt)>& link) {
  const auto become_upper = [&](FdPtr descriptor) {
    if (inode.dir) {
      inode.dir->file_whiteouts.store(Known::no, std::memory_order_relaxed);
      inode.dir->impure.store(Known::no, std::memory_order_relaxed);
    }
    if (!keeps_ino(inode, from)) inode.st_ino.store(own_ino(upper_ino), std::memory_order_relaxed);
    if (descriptor) {
      Lock lock(inode.mutex);
      inode.fd = std::move(descriptor);
    }
    inodes.to_upper(inode, upper_ino);
    if (inode.is_dir()) listings.drop(inode.ino);  // what was looked up ahead in it holds what may be unlinked from now on
  };
  for (;;) {
    const auto place = inode.place();
    if (!place) {
      // Unlinked meanwhile: a file lives on without a name, for those who have it open.
      if (!S_ISREG(inode.type)) return Error(ENOENT);
      become_upper(copy);
      return {};
    }
    Inode& parent = *place->parent;
    const FdPtr dir = TRY(upper_fd(parent));
    const DirChange change(*parent.dir);
    if (!inode.has_version(place->version)) continue;
    if (keeps_ino(inode, from)) TRY(make_impure(parent));
    const struct statx before = TRY(stat_of(FileAt{dir->ref(), ""}));
    const FileAt at{dir->ref(), place->name.c_str()};
    if (inode.is_dir())
      TRY(with_owner_access({{dir->ref(), 0700}, {copy->ref(), kToMove}}, [&] { return link(at); }));
    else
      TRY(with_owner_access(dir->ref(), 0700, [&] { return link(at); }));
    become_upper(inode.is_dir() ? copy : nullptr);
    restore_times(dir->ref(), before, place->name);
    break;
  }
  if (inode.is_dir()) fds.add(inode);
  return {};
}

}  // namespace acetate::fs
