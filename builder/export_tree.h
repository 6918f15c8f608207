// A built stage put out as files: one tarball, or a directory.
#pragma once

#include <string>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "builder/clock.h"
#include "layers/layer.h"

namespace acetate::build {

struct PlacedTree {
  LayerPtr tree;
  std::string below = {};  // a directory's name, made for it; "" is the tarball's root
};

// The merged trees as one pax tarball.
Result<void> write_tree_tar(const std::vector<PlacedTree>& trees, const TimeRule& times, FdRef out);

// Whose the files of a directory become, and what goes with that.
enum class TreeOwners {
  recorded,  // those that the tree tells
  ours,      // ours, without set-id bits, which would mean somebody else, and attributes
  roots,     // ours, who stand for root: with both, for a context, where every file is root's
};

// The merged tree below `dir`, which is made when it is not there; what is there already is replaced name by name and
// nothing else is touched. Devices only with `recorded`, and of devices and attributes those that this
// user and this file system can have. Symlinks of `dir`'s own are not followed.
Result<void> write_tree_dir(const LayerPtr& tree, const TimeRule& times, const std::string& dir, TreeOwners owners);
Result<void> write_tree_dir(const LayerPtr& tree, const TimeRule& times, const std::string& dir, bool owners);  // recorded, else ours

}  // namespace acetate::build
