// A mount that stays when we end: the daemon is left to itself, as fusermount3 and unmount find it.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "fs/mount.h"

namespace acetate::cli {

// Starts the daemon without -f and returns once the mount answers. What it said on stderr are the words of
// the error. request.die_with_parent is not looked at.
Result<void> mount_detached(const fs::MountRequest& request);

}  // namespace acetate::cli
