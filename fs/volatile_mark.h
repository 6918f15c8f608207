// The mark of mounts that synced nothing: work/incompat/volatile in a work directory, as the kernel's overlay leaves it.
//
// What such a mount wrote may be torn after a crash of the machine, so who mounts its upper again is refused until somebody has looked at it and taken
// the mark away (fs/overlayfs/super.c, ovl_create_volatile_dirty() and ovl_workdir_cleanup(); containers/storage takes it away before each
// mount). Ours says in `dirty` during which run of the machine it was made. As long as that goes on nothing can have been lost, however the daemon
// ended: what was written is in the kernel's memory. The kernel's own is an empty file, and always refused.
#pragma once

#include "base/fd.h"
#include "base/result.h"

namespace acetate::fs {

// Of the directory that users name. True: the upper has what was written since the machine started, and was not synced. EINVAL with words for a mark of
// another run of the machine, of the kernel, or of something else that we do not know.
Result<bool> is_unsynced(FdRef work_dir);

// work/ is there, and empty.
Result<void> put_volatile_mark(FdRef work_dir);

}  // namespace acetate::fs
