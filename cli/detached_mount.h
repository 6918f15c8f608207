// A mount that stays when we end: the daemon is left to itself, as fusermount3 and unmount find it.
#pragma once

#include <string>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "fs/mount.h"

namespace acetate::cli {

// Starts the daemon without -f and returns once the mount answers. What it said on stderr are the words of the
// error. The daemon keeps a descriptor of `record` until it ends (see mount_record.h). request.die_with_parent is
// not looked at.
Result<void> mount_detached(const fs::MountRequest& request, FdRef record);

}  // namespace acetate::cli
