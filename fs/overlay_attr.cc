// Changing attributes.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/sys/call.h"
#include "base/sys/file.h"
#include "fs/overlay_file.h"
#include "fs/overlay_impl.h"
#include "fs/permissions.h"

namespace acetate::fs {

namespace {

timespec time_of(const std::optional<TimeChange>& change) {
  if (!change) return {.tv_sec = 0, .tv_nsec = UTIME_OMIT};
  if (change->now) return {.tv_sec = 0, .tv_nsec = UTIME_NOW};
  return change->at;
}

}  // namespace

mode_t without_suidgid(mode_t mode) noexcept {
  mode &= ~static_cast<mode_t>(S_ISUID);
  if ((mode & S_IXGRP) != 0) mode &= ~static_cast<mode_t>(S_ISGID);
  return mode;
}

Result<void> drop_suidgid(FdRef file, const Permissions& permissions) {
  const struct statx st = TRY(permissions.stat(FileAt{file, ""}));
  const mode_t mode = st.stx_mode & 07777;
  if (!S_ISREG(st.stx_mode) || without_suidgid(mode) == mode) return {};
  return permissions.chmod(file, without_suidgid(mode));
}

Result<Attr> Overlay::setattr(Ino ino, const AttrChange& change, std::optional<Handle> handle) {
  const InodeRef inode = TRY(impl_->inode(ino));
  if (!impl_->upper) return Error(EROFS);
  if (change.size && inode->is_dir()) return Error(EISDIR);
  if (change.size && !S_ISREG(inode->type)) return Error(EINVAL);

  // What truncate(2) to the length it has does to the times is the upper's file system to say, and it is asked the same way.
  const bool same_size = change.size && !change.resized && TRY(impl_->attr(*inode)).size == *change.size;

  Fd written;
  TRY(impl_->copy_up(*inode, change.size, change.size ? &written : nullptr));
  const FdPtr object = TRY(impl_->upper_fd(*inode));
  if (same_size) {
    const sys::ProcFdPath path(object->ref());
    TRY(impl_->with_owner_access(object->ref(), 0200, [&] {
      return sys::done(sys::Call::ftruncate, [&] { return ::truncate(path.c_str(), static_cast<off_t>(*change.size)); });
    }));
  } else if (change.size) {
    std::shared_ptr<OpenFile> through;
    if (handle) through = TRY(impl_->handles.file(*handle));
    if (through && (through->flags & O_ACCMODE) != O_RDONLY) {
      TRY(sys::truncate(TRY(impl_->file_in_upper(*through)), *change.size));
    } else {
      if (!written) written = TRY(impl_->open_upper(*inode, O_WRONLY));
      TRY(sys::truncate(written.ref(), *change.size));
    }
  }
  const Permissions& permissions = impl_->permissions();
  if (change.uid || change.gid) {
    constexpr auto kAsItIs = static_cast<uid_t>(-1);
    const Owners& owners = impl_->options.owners;
    TRY(owners.forgive(permissions.chown(object->ref(), change.uid ? owners.uid_on_disk(*change.uid) : kAsItIs,
                                         change.gid ? owners.gid_on_disk(*change.gid) : kAsItIs)));
  }
  if (change.mode && !S_ISLNK(inode->type)) {
    mode_t mode = *change.mode & 07777;
    if (change.kill_suidgid && S_ISREG(inode->type)) mode = without_suidgid(mode);
    TRY(permissions.chmod(object->ref(), mode));
  } else if (change.mode) {
    return Error(EOPNOTSUPP);
  } else if (change.kill_suidgid) {
    TRY(drop_suidgid(object->ref(), permissions));
  }
  if (change.atime || change.mtime) {
    const struct timespec times[2] = {time_of(change.atime), time_of(change.mtime)};
    TRY(sys::set_times(object->ref(), times));
  }
  if (change.kill_suidgid || change.size) impl_->note_changed(*inode, object->ref());
  const Attr attr = impl_->shown(*inode, TRY(impl_->stat_for_users(FileAt{object->ref(), ""})));
  impl_->note_told(*inode, attr);
  return impl_->for_users(attr);
}

Result<void> Overlay::note_owner(Ino ino, std::optional<uid_t> uid, std::optional<gid_t> gid) {
  if (!impl_->upper || !impl_->permissions().notes_owners()) return Error(ENOTSUP);
  AttrChange change{};
  change.uid = uid;
  change.gid = gid;
  change.kill_suidgid = true;  // as chown_common() of the kernel's fs/open.c has it, whoever calls
  TRY(setattr(ino, change, std::nullopt));
  return {};
}

}  // namespace acetate::fs
