// Opened layers as one tree: of tarballs only, by their compiled index where there is one; where there is none it
// is made in the background, for the next time.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "layers/layer.h"
#include "layers/layer_spec.h"

namespace acetate {

class OpenedStack {
 public:
  LayerPtr tree;
  bool is_compiled = false;

 private:
  friend Result<OpenedStack> open_stack(const std::vector<OpenedLayer>&, const std::string&);
  class Compiling;
  std::shared_ptr<Compiling> compiling_;  // ends when the last copy does
};

// The first is on top. `index_dir` as for open_layer(). The tree does not depend on whether it is compiled.
Result<OpenedStack> open_stack(const std::vector<OpenedLayer>& top_to_bottom, const std::string& index_dir);

}  // namespace acetate
