#include "layers/open_stack.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <system_error>
#include <thread>
#include <utility>

#include "base/log.h"
#include "layers/stack.h"
#include "layers/tar/compiled_stack.h"

namespace acetate {

// A thread that compiles, and is told to stop when nobody wants the tree any more.
class OpenedStack::Compiling {
 public:
  Compiling(IndexStore stacks, const Digest& id, LayerPtr tree) {
    thread_ = std::thread([this, stacks = std::move(stacks), id, tree = std::move(tree)] {
      // At no lower priority: it takes locks of the tree that the mount's readers need.
      const auto compiled = compile_stack(stacks, id, *tree, [this] { return !stop_.load(); });
      if (!compiled && !compiled.error().is(ECANCELED))
        log::info("the layers are not compiled into one index: {}", compiled.error().message());
    });
  }
  Compiling(const Compiling&) = delete;
  Compiling& operator=(const Compiling&) = delete;
  ~Compiling() {
    stop_ = true;
    thread_.join();
  }

 private:
  std::atomic<bool> stop_ = false;
  std::thread thread_;
};

namespace {

Digest id_of_layers(const std::vector<OpenedLayer>& top_to_bottom) {
  std::vector<Digest> indexes;
  for (const OpenedLayer& opened : top_to_bottom) indexes.push_back(id_of_index(*opened.facts));
  return id_of_stack(indexes);
}

}  // namespace

Result<OpenedStack> open_stack(const std::vector<OpenedLayer>& top_to_bottom, const std::string& index_dir) {
  std::vector<LayerPtr> layers;
  for (const OpenedLayer& opened : top_to_bottom) layers.push_back(opened.layer);
  OpenedStack stack;
  // One layer is as fast as it can be; and a directory may change under its index.
  if (layers.size() < 2 || !std::ranges::all_of(top_to_bottom, [](const OpenedLayer& opened) { return opened.facts.has_value(); })) {
    stack.tree = TRY(make_stack(std::move(layers)));
    return stack;
  }
  const IndexStore stacks(index_dir + "/stack");
  const Digest id = id_of_layers(top_to_bottom);
  stack.tree = find_compiled_stack(stacks, id, layers);
  stack.is_compiled = stack.tree != nullptr;
  if (stack.is_compiled) return stack;
  stack.tree = TRY(make_stack(std::move(layers)));
  try {
    stack.compiling_ = std::make_shared<OpenedStack::Compiling>(stacks, id, stack.tree);
  } catch (const std::system_error&) {
    // No thread to be had: the tree is slower, and that is all.
  }
  return stack;
}

}  // namespace acetate
