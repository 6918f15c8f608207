// override_stat: owner, mode and type of a file kept in an extended attribute, by whoever extracts images
// without the right to chown or mknod. A tree that uses it has the attribute on its root.
//
//   security.fuseoverlayfs.override_stat   fuse-overlayfs as root (xattr_permissions=1)
//   user.containers.override_stat          containers/storage (force_mask), and fuse-overlayfs on its trees
//   user.fuseoverlayfs.override_stat       fuse-overlayfs, xattr_permissions=2
//
// Value: "UID:GID:MODE[:TYPE]", mode in octal, TYPE one of dir, file, symlink, pipe, socket, block-MAJ-MIN,
// char-MAJ-MIN. Sources: fuse-overlayfs utils.c override_mode(), direct.c direct_load_data_source();
// containers/storage pkg/idtools Stat.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "layers/layer.h"

namespace acetate {

enum class OverrideMode { none, privileged, containers, user };

// From the names of the root's attributes; the first of the table above that is there.
OverrideMode override_mode_of(const std::vector<std::string>& root_xattrs) noexcept;
// Precondition: a mode other than none. NUL-terminated.
std::string_view override_xattr(OverrideMode mode) noexcept;

struct OverrideStat {
  uid_t uid = 0;
  gid_t gid = 0;
  mode_t permissions = 0;           // 07777
  std::optional<mode_t> type = {};  // S_IFMT; fuse-overlayfs itself writes none
  dev_t rdev = 0;
  bool operator==(const OverrideStat&) const = default;
};

// EINVAL with words.
Result<OverrideStat> parse_override_stat(std::string_view value);
std::string format_override_stat(const OverrideStat& stat);

// What an object has kept so, on a tree of that mode; nothing where it has not, or the file system has no attributes. `at` may be an
// open descriptor with the name "", O_PATH too. EIO with words where it is malformed.
Result<std::optional<OverrideStat>> read_override_stat(FileAt at, OverrideMode mode);

// Puts it over what stat(2) said. Holds for regular files and directories only: symlinks, devices, fifos and
// sockets that are real speak for themselves.
void apply(const OverrideStat& stat, Attr& attr) noexcept;

// The name a user sees, for an attribute that containers/storage kept under another one because it may not
// set the real one: "user.containers.override_security.X" is "security.X".
std::optional<std::string> overridden_xattr(OverrideMode mode, std::string_view on_disk_name);

}  // namespace acetate
