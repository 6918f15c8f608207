// Devices by the Container Device Interface: how NVIDIA's and others' tools tell a runner what a GPU consists of. Here is which specification
// of the machine's a name means, and what becomes of a description by it; cdi_spec.h reads one.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "builder/sandbox/spec.h"

namespace acetate::sandbox {

// The administrator's, JSON (.json) or YAML (.yaml, .yml), the later going before the earlier. Nobody else says what is run as a hook.
const std::vector<std::string>& cdi_directories();

// Applies the edits of each "vendor.com/class=name" and, once, those of its specification: environment (instead of what the image says), device nodes,
// mounts (instead of what stood at that place), groups and hooks. "all" is every device of the kind, where none is called so. What has no part
// here the log says. ENOENT with words; a name that two specifications of a directory have is EEXIST with words. A file that cannot be read is told: on
// the log where nothing of it was wanted, else in the error.
Result<void> add_cdi_devices(const std::vector<std::string>& names, Spec& spec, const std::vector<std::string>& directories = cdi_directories());

// Whether whoever set the device up lets every build have it, by BuildKit's annotation. Errors as above.
Result<bool> is_for_every_build(const std::string& name, const std::vector<std::string>& directories = cdi_directories());

}  // namespace acetate::sandbox
