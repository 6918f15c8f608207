// A root made ready for a runtime: every place where something will be mounted is there, and every path in the
// description is resolved, so that no runtime follows a symlink of the image.
#pragma once

#include <string>

#include "base/fd.h"
#include "base/result.h"
#include "builder/sandbox/mount_points.h"
#include "builder/sandbox/spec.h"

namespace acetate::sandbox {

// Below /dev, /proc or /sys, which the runtime mounts itself, on file systems that are empty then.
bool is_on_fixed_mount(const std::string& path);

// Completes `spec` (targets, working directory, what mounts and devices demand, /etc files made in `dir`) and makes
// mount points through `points`. Everything that is wrong with what was asked for is an error with words.
Result<void> prepare_root(Spec& spec, FdRef root, MountPoints& points, const std::string& dir);

}  // namespace acetate::sandbox
