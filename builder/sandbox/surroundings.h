// What a container's description depends on here: asked of the system once per container.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "base/sys/mount.h"
#include "builder/sandbox/spec.h"

namespace acetate::sandbox {

// Whether we are root with every id there is, outside of any user namespace.
Result<bool> is_real_root();

// What this machine, or the container around us, is called.
std::string our_hostname();

// Without the ids of a child user namespace, which are the runtime's to choose.
Result<Surroundings> look_around();

// cpuN/thermal_throttle of each processor that has one, below a directory like /sys/devices/system/cpu; none where there is no such.
std::vector<std::string> throttles_below(const std::string& processors);

// Completes a bind mount with what its source's file system demands, and with whether `table` has something mounted below it.
Result<void> examine_source(MountPoint& mount, const std::vector<sys::MountInfo>& table);

}  // namespace acetate::sandbox
