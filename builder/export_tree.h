// A built stage put out as files: one tarball, or a directory.
#pragma once

#include <string>

#include "base/fd.h"
#include "base/result.h"
#include "builder/clock.h"
#include "layers/layer.h"

namespace acetate::build {

// The merged tree as a pax tarball.
Result<void> write_tree_tar(const LayerPtr& tree, const TimeRule& times, FdRef out);

// The merged tree below `dir`, which is made when it is not there; what is there already is replaced name by name and
// nothing else is touched. Owners and devices only where `owners` says that they can be had. Symlinks of `dir`'s own
// are not followed.
Result<void> write_tree_dir(const LayerPtr& tree, const TimeRule& times, const std::string& dir, bool owners);

}  // namespace acetate::build
