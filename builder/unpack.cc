#include "builder/unpack.h"

#include "builder/export_tree.h"
#include "layers/layer_spec.h"
#include "layers/open_stack.h"

namespace acetate::build {

Result<void> unpack_layers(const std::vector<std::string>& lowers, const std::string& dir, bool owners) {
  const std::string index_dir = default_index_dir();
  std::vector<OpenedLayer> layers;
  for (const std::string& lower : lowers) {
    const LayerSpec spec = TRY(parse_layer_spec(lower));
    layers.push_back(TRY_WITHIN(open_layer(spec, index_dir), "{}", spec.path));
  }
  const OpenedStack stack = TRY(open_stack(layers, index_dir));
  return write_tree_dir(stack.tree, {.kind = TimeRule::Kind::keep}, dir, owners);
}

}  // namespace acetate::build
