// Dropping suid and sgid with a change of a file's bytes, where the kernel leaves that to us (KILLPRIV_V2), or does in any case (a truncating
// open). Who may leave them: fs/fuse/privileges.h.
#pragma once

#include "base/result.h"
#include "fs/fuse/fuse.h"

namespace acetate::fs {

// Whether the overlay is to drop suid, and sgid of what its group may execute, with a change that the caller may make. What else is to go
// is gone when this returns.
Result<bool> drops_suid_with(fuse_req_t req, fuse_ino_t ino);

// The caller may not leave such bits, and is about to write without us (fs/fuse/passthrough.h), or has changed the owner to what it was.
Result<void> drop_suid(fuse_req_t req, fuse_ino_t ino);

// A truncating open drops suid and sgid as truncate(2) does. The kernel leaves that to us in any case; the overlay's own
// writes may be those of root.
Result<void> drop_suid_after_truncation(fuse_req_t req, fuse_ino_t ino, int flags);

}  // namespace acetate::fs
