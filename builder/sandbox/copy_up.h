// What a tmpfs begins with when it is mounted over a directory that has something in it (podman's tmpcopyup).
#pragma once

#include "base/fd.h"
#include "base/result.h"

namespace acetate::sandbox {

// Copies what is in the directory `from` into the directory `into`: directories, files and symlinks, with their modes and owners. Devices, sockets and pipes are left out, as are
// attributes. Follows no symlink.
Result<void> copy_up(FdRef from, FdRef into);

}  // namespace acetate::sandbox
