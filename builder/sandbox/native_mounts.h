// The mounts of a config.json, made: each at a place opened beneath the new root, so that no symlink of an image, and
// none that a volume shows, leads a mount elsewhere.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "base/fd.h"
#include "base/result.h"

namespace acetate::sandbox {

// Makes every mount of `config`, /dev's nodes and links, what is masked and what is read-only, below `root` (the new
// root, already a mount point of its own). When it fails, `what` is the place it was about. `no_devices`: on none of them is a device
// node one, but on those that bring the machine's own (/dev and what is bound from below it); for real root, who may make any.
Result<void> make_mounts(const nlohmann::ordered_json& config, FdRef root, bool no_devices, std::string& what);

// Whether its /dev is a file system of its own, as ever, and not one that the person has bound there: nothing is made in theirs.
bool has_own_dev(const nlohmann::ordered_json& config);

// The same of the root itself, read-only where it is to be; when whoever prepares the container has written what they had to.
Result<void> seal_root(const nlohmann::ordered_json& config, FdRef root, bool no_devices);

}  // namespace acetate::sandbox
