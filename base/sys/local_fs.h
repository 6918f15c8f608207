// Whether files lie on a file system of this machine alone.
#pragma once

#include "base/fd.h"
#include "base/result.h"

namespace acetate::sys {

// True where it is certain that no other machine has these files: what processes map of one is then memory that they share. Of a kind
// that is not known here (a network's, a cluster's, one served by FUSE) it is not.
Result<bool> is_on_local_fs(FdRef fd);

}  // namespace acetate::sys
