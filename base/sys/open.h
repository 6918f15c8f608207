// Opening beneath a root: no path from outside ever leads out of the tree it belongs to.
//
// openat2(2) does it where the kernel has it (5.6); else a walk component by component with O_NOFOLLOW does
// the same more slowly. Which one is used is found out by trying, once.
#pragma once

#include "base/fd.h"
#include "base/rel_path.h"
#include "base/result.h"
#include "base/sys/file.h"

namespace acetate::sys {

enum class Symlinks {
  refuse,   // ELOOP at any symlink on the way (the last component too, unless O_PATH|O_NOFOLLOW is asked)
  in_root,  // followed, with "/" and ".." meaning the root: as a process chrooted there would see it
};

// O_CLOEXEC is always added. ENOENT, ENOTDIR, ELOOP are ordinary. Never leaves `root`, also while somebody
// renames directories underneath (openat2: the kernel answers EAGAIN, and we try again).
Result<Fd> open_beneath(FdRef root, const RelPath& path, int flags, mode_t mode = 0,
                        Symlinks symlinks = Symlinks::refuse);

}  // namespace acetate::sys
