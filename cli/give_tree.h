// "U" of a mount: a directory of ours becomes the container's user's before it starts, as podman has it.
#pragma once

#include <sys/types.h>

#include <string>

#include "base/result.h"

namespace acetate::cli {

// Everything at `path` and below belongs to these afterwards, but for devices and what is mounted there; symlinks themselves do, and none is followed
// below `path`, nor on the way to where that leads, whoever changes what meanwhile. What is theirs already is not touched; set-id bits and capabilities
// of the rest go, as with chown(1).
//
// EINVAL for places that the machine or the person lives by, and where directories lie more than 500 deep. What goes away meanwhile is no error. Ended half way
// (EPERM: a file whose owner has no id here) some are theirs, and others not yet. Errors are in words.
Result<void> give_tree(const std::string& path, uid_t uid, gid_t gid);

}  // namespace acetate::cli
