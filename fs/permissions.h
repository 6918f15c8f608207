// Permissions: where owner, mode and type of the upper's objects are kept.
//
// In the object itself, as ever; or in an extended attribute (layers/override_stat.h), for a daemon that may neither
// chown nor mknod, or whose file system keeps no owners. In that case every object on disk is a file or a directory with
// the mode 0755 that belongs to the daemon, symlinks excepted: they are real ones, as containers/storage has them.
//
// The attribute is used when the mount asks for it (xattr_permissions=), or when the upper's root has it already: what
// was written so is also read so.
//
// Or only an owner that could not be given is noted in it (note_owners), of the files that have one: all else is as ever in the object
// itself, and nobody who uses the mount is shown the note.
#pragma once

#include <sys/stat.h>

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/fd.h"
#include "base/result.h"
#include "layers/layer.h"
#include "layers/override_stat.h"

namespace acetate::fs {

class Permissions {
 public:
  Permissions() = default;
  explicit Permissions(OverrideMode mode) noexcept : mode_(mode) {}
  static Permissions noting_owners() noexcept {
    Permissions noting;
    noting.notes_owners_ = true;
    return noting;
  }

  bool notes_owners() const noexcept { return notes_owners_; }
  bool in_xattr() const noexcept { return mode_ != OverrideMode::none; }

  // statx(2) with what is kept aside put over it. EIO with words where that is malformed.
  Result<struct statx> stat(FileAt at) const;

  // The mode, type included, to make an object with that is to be shown with `mode`.
  mode_t made_as(mode_t mode) const noexcept;
  // Says what a fresh object is, in the attribute. Nothing for a symlink, whose owner is set where that is allowed.
  Result<void> describe(FileAt at, uid_t uid, gid_t gid, mode_t mode, dev_t rdev) const;

  // Notes whose an object is; nothing for one that carries no attributes of users (symlinks, devices).
  Result<void> note(FdRef object, const std::optional<uid_t>& uid, const std::optional<gid_t>& gid) const;

  // As chown(2) and chmod(2): -1 leaves an id as it is. O_PATH descriptors too.
  Result<void> chown(FdRef object, uid_t uid, gid_t gid) const;
  Result<void> chmod(FdRef object, mode_t mode) const;

  // The name an attribute is stored under that users call `name`, and the other way round, where the two differ:
  // "security." may not be set by everybody. Nothing where they do not.
  std::optional<std::string> stored_xattr(std::string_view name) const;
  std::optional<std::string> visible_xattr(std::string_view stored) const { return overridden_xattr(mode_, stored); }

 private:
  Result<void> change(FdRef object, const std::function<void(OverrideStat&)>& change) const;

  OverrideMode mode_ = OverrideMode::none;
  bool notes_owners_ = false;
};

}  // namespace acetate::fs
