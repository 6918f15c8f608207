// Maps of ids between a container's user namespace and ours.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/sys/userns.h"

namespace acetate::sandbox {

// Container -> ours, where ours are `count` ids from 0 and 0 is the caller: `id` of the container is the caller, its
// others are our others in their order. So root of the container is the first subordinate id.
std::vector<sys::IdRange> keep_id_map(std::uint32_t id, std::uint32_t count);

// The same map, `ours` being the one of our own namespace, in ranges that the kernel takes: none spans two lines of `ours` (user_namespaces(7)), of which
// there is one for each subordinate range somebody has.
std::vector<sys::IdRange> within_lines(const std::vector<sys::IdRange>& map, const std::vector<sys::IdRange>& ours);

// Both of them for whoever is `uid` and `gid` in the container, where `uids` and `gids` map our own namespace's: there need not be as
// many of the one as of the other. Pure.
struct KeepIdMaps {
  std::vector<sys::IdRange> uids, gids;
};
KeepIdMaps keep_id_maps(uid_t uid, gid_t gid, const std::vector<sys::IdRange>& uids, const std::vector<sys::IdRange>& gids);
// With the maps of the namespace that we are in.
Result<KeepIdMaps> keep_id_maps(uid_t uid, gid_t gid);

// What the daemon is told so that files of an image belong, in such a container, to whom the image says:
// "0:1:1000:1000:0:1" (on disk : shown : count …).
std::string mapping_option(const std::vector<sys::IdRange>& map);

// A map of these ids onto themselves, one line for each line of it: a range may not span two.
std::vector<sys::IdRange> onto_themselves(std::vector<sys::IdRange> map);

std::uint64_t count_ids(const std::vector<sys::IdRange>& map);

}  // namespace acetate::sandbox
