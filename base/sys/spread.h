// Where a file system puts what is made below a directory.
#pragma once

#include "base/fd.h"
#include "base/result.h"

namespace acetate::sys {

// Asks that the directories made in `dir` lie far from one another (chattr +T). ext4 has them in other block groups then. `dir`: open for
// reading, and ours. ENOTTY or EOPNOTSUPP where the file system knows no such thing.
Result<void> spread_directories(FdRef dir);

}  // namespace acetate::sys
