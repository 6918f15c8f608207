// Owners that nobody can give: how a mount with squashed owners is told whom a file belongs to.
//
// A process in a user namespace with one id cannot call chown(2) for another id: the kernel has no name for it and refuses before
// a file system is asked. Whoever plays root for such a process sets this attribute instead. A mount that squashes owners and notes them
// (note_owners) takes it for a chown: everybody goes on seeing the owner it squashes to, and whoever reads the upper directory is told
// by an attribute (layers/override_stat.h) whom it belongs to. Any other mount answers ENOTSUP.
//
// "security.": to set it takes CAP_SYS_ADMIN in the user namespace that the mount was made in (security/commoncap.c,
// cap_inode_setxattr), which containers do not have. Symlinks carry no such attribute, and keep no owner.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <string_view>

namespace acetate::fs {

inline constexpr const char* kOwnerNote = "security.acetate.owner";
// What the upper directory keeps it in: override_xattr(OverrideMode::user) of layers/override_stat.h, by a name that needs no layers.
// An overlay below may refuse it, as ours does, so whoever wants notes tries this one.
inline constexpr const char* kKeptOwner = "user.fuseoverlayfs.override_stat";

// As chown(2): nothing leaves an id as it is.
struct OwnerNote {
  std::optional<uid_t> uid = {};
  std::optional<gid_t> gid = {};
  bool operator==(const OwnerNote&) const = default;
};

// "UID:GID", each of which may be missing.
std::string format_owner_note(const OwnerNote& note);
std::optional<OwnerNote> parse_owner_note(std::string_view text);

}  // namespace acetate::fs
