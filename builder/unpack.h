// Layers unpacked into a directory: what is left where they cannot be mounted.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"

namespace acetate::build {

// The merged tree of `lowers` (lowerdir elements, top first) below `dir`, with the times it has. `owners`: files belong to whom the layers
// say, for who may give them away; else to us, and set-id bits, which would mean somebody else, are dropped.
Result<void> unpack_layers(const std::vector<std::string>& lowers, const std::string& dir, bool owners);

}  // namespace acetate::build
