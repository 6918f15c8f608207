// The upper and the work directory on a mount of our own, as the kernel's overlay has them (clone_private_mount()), which keeps no access
// times: what the kernel reads there by itself (fs/fuse/passthrough.h) must leave as little behind as what we read.
#pragma once

#include "base/fd.h"
#include "base/result.h"

namespace acetate::fs {

struct UpperAndWork {
  Fd upper;
  Fd work;
};

// The same two directories. The mount is seen by nobody and goes with the last descriptor; that it was made from can be unmounted meanwhile,
// while its file system stays in use. EPERM for whoever may not mount, ENOSYS before Linux 5.12, EXDEV where the two are on two mounts or
// their way there cannot be told.
Result<UpperAndWork> on_private_mount(FdRef upper, FdRef work);

}  // namespace acetate::fs
