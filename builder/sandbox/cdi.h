// Devices by the Container Device Interface: how NVIDIA's and others' tools tell a runner what a GPU consists of.
// https://github.com/cncf-tags/container-device-interface/blob/main/SPEC.md
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "builder/sandbox/spec.h"

namespace acetate::sandbox {

// Applies the edits of "vendor.com/class=name" ("all" means every one): environment (instead of what the image says), device nodes and mounts. Hooks run
// as root on the host and are left out, which the log says. Looks in `directories`, the later going before. ENOENT with words.
Result<void> add_cdi_device(const std::string& name, Spec& spec, const std::vector<std::string>& directories = {"/etc/cdi", "/var/run/cdi"});

// Whether whoever set the device up lets every build have it, by BuildKit's annotation. ENOENT as above.
Result<bool> is_for_every_build(const std::string& name, const std::vector<std::string>& directories = {"/etc/cdi", "/var/run/cdi"});

}  // namespace acetate::sandbox
