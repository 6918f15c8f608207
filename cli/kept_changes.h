// What a kept container changed: read from its upper directory alone, so in time that grows with what was written and not
// with the image.
#pragma once

#include <string>
#include <vector>

#include "cli/kept.h"
#include "layers/delta.h"
#include "layers/layer.h"

namespace acetate::cli {

// The tree it lies on.
Result<LayerPtr> tree_below(const image::Image& image);

// One path of docker's and podman's diff: Added, Changed or Deleted.
struct Change {
  char kind;
  std::string path;
  auto operator<=>(const Change&) const = default;
};
// Sorted by path. A directory in which something changed is changed itself, as they have it.
Result<std::vector<Change>> list_changes(const Kept& kept, const Layer& below);

}  // namespace acetate::cli
