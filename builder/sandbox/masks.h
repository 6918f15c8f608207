// What of /proc and /sys a container does not see, and what it sees but may not write: docker's and podman's lists.
#pragma once

#include <string>
#include <vector>

#include "builder/sandbox/spec.h"

namespace acetate::sandbox {

// Hidden under an empty file or directory.
std::vector<std::string> masked_paths(const Confinement& confinement, const Surroundings& surroundings);
std::vector<std::string> read_only_paths(const Confinement& confinement);

// Whether a path that is restricted by default stays so.
bool is_masked(const Confinement& confinement, const std::string& path);

}  // namespace acetate::sandbox
