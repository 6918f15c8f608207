// What each layer of an image adds, changes, hides and wastes: read from the layers themselves, bottom first. Nothing of a file
// but its size is looked at.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "layers/layer.h"

namespace acetate::cli {

struct LayerChange {
  enum class Kind { added, changed, removed } kind;
  std::string path;         // below the root
  std::uint64_t bytes = 0;  // of what stands there now; of a removal, of all that is hidden
};

struct LayerChanges {
  std::vector<LayerChange> changes;  // in the order of names; a directory that only holds what is in it is none
  std::uint64_t bytes = 0;           // of the files in this layer
  std::uint64_t wasted = 0;          // of these, what no container sees: later layers replace or remove it
  std::size_t count(LayerChange::Kind kind) const;
};

// `layers`: bottom first.
Result<std::vector<LayerChanges>> changes_of(const std::vector<LayerPtr>& layers);

}  // namespace acetate::cli
