// Owners: whom users see for an owner on disk, and whom the disk gets for an owner users name.
//
// The disk speaks of its own ids everywhere inside the overlay; they are translated once, where attributes leave it and
// where a caller's ids come in. With that an image extracted for one range of ids is shown to a user namespace with
// another, and nothing of it is chowned.
//
// Source: fuse-overlayfs's uidmapping=, gidmapping= and squash_to_*; containers/storage passes a container's map as
// "on disk : shown : count" of each range.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "layers/layer.h"

namespace acetate::fs {

// What an id becomes that no range has; the kernel's default overflow id.
inline constexpr std::uint32_t kOverflowId = 65534;

// Ranges of ids, for users or for groups. An empty map changes nothing.
class IdMap {
 public:
  // "DISK:SHOWN:COUNT[:DISK:SHOWN:COUNT…]"; a colon before the first is passed over. EINVAL with words.
  static Result<IdMap> parse(std::string_view text);

  bool empty() const noexcept { return ranges_.empty(); }
  std::uint32_t shown(std::uint32_t on_disk) const noexcept;
  std::uint32_t on_disk(std::uint32_t shown) const noexcept;

 private:
  struct Range {
    std::uint32_t on_disk;
    std::uint32_t shown;
    std::uint32_t count;
  };
  std::vector<Range> ranges_;
};

// The answers to a chown(2) by somebody who may not, to an id that the user namespace does not have (EINVAL), of a file whose owner it does
// not have (EOVERFLOW), or on a file system that keeps no owners.
bool means_may_not_give(const Error& chown) noexcept;

struct Owners {
  std::optional<uid_t> squash_uid = {};  // whom everything seems to belong to; goes before a map
  std::optional<gid_t> squash_gid = {};
  IdMap uids = {};
  IdMap gids = {};

  bool squashes() const noexcept { return squash_uid || squash_gid; }
  bool change_nothing() const noexcept { return !squashes() && uids.empty() && gids.empty(); }

  void show(Attr& attr) const noexcept;
  uid_t uid_on_disk(uid_t shown) const noexcept { return uids.on_disk(shown); }
  gid_t gid_on_disk(gid_t shown) const noexcept { return gids.on_disk(shown); }

  // The value of a "system.posix_acl_*" attribute with the ids in it translated. What is no ACL stays as it is.
  std::string acl_shown(std::string acl) const;
  std::string acl_on_disk(std::string acl) const;

  // Who squashes owners need not be able to give anything away: that the kernel or the file system refused a chown is then no
  // failure. That it could not be carried out (a full or broken disk) is.
  Result<void> forgive(Result<void> chowned) const {
    return squashes() && !chowned && means_may_not_give(chowned.error()) ? Result<void>() : std::move(chowned);
  }
};

bool is_acl_xattr(std::string_view name) noexcept;

}  // namespace acetate::fs
