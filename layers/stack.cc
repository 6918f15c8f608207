#include "layers/stack.h"

#include "layers/memory_layer.h"
#include "layers/stack_layer.h"

namespace acetate {

Result<LayerPtr> make_stack(std::vector<LayerPtr> top_to_bottom) {
  // A stack at the bottom is the same as its layers; one further up is not, since its whiteouts end in it.
  if (!top_to_bottom.empty()) {
    const LayerPtr bottom = top_to_bottom.back();
    if (const auto* inner = dynamic_cast<const stack::StackLayer*>(bottom.get()); inner != nullptr) {
      top_to_bottom.pop_back();
      top_to_bottom.insert(top_to_bottom.end(), inner->layers().begin(), inner->layers().end());
    }
  }
  if (top_to_bottom.empty()) top_to_bottom.push_back(TRY(make_memory_layer({})));
  if (top_to_bottom.size() > stack::StackLayer::kMostLayers)
    return fail(E2BIG, "{} layers in one stack; at most {} are possible", top_to_bottom.size(),
                stack::StackLayer::kMostLayers);
  auto made = std::make_shared<stack::StackLayer>(std::move(top_to_bottom));
  TRY(made->open());
  return LayerPtr(std::move(made));
}

Result<Entry> walk(const Layer& layer, const RelPath& path) {
  Entry at{.node = layer.root()};
  at.attr = TRY(layer.attr(layer.root()));
  layer.hold(at.node);
  for (const std::string_view name : path.components()) {
    const HeldNode dir(layer, at.node);
    at = TRY(layer.lookup(dir.get(), name));
    if (at.marker == Marker::whiteout) return Error(ENOENT);
  }
  return at;
}

}  // namespace acetate
