#include "cli/image_tree.h"

#include "builder/tree_view.h"
#include "cli/image_name.h"
#include "layers/stack.h"

namespace acetate::cli {

Result<ImageTree> open_image_tree(const Paths& paths, const std::string& name, const std::string& platform) {
  ImageTree tree{.image = TRY(find_image(paths, name, platform)), .layers = {}, .stack = {}};
  for (auto layer = tree.image.layers.rbegin(); layer != tree.image.layers.rend(); ++layer) {
    // The path alone would not tell which of an archive's layers it is.
    const std::string told = layer->digest ? layer->digest->str() : layer->spec.path;
    tree.layers.push_back(TRY_WITHIN(open_layer(layer->spec, paths.index()), "layer {}", told));
  }
  tree.image.hold.reset();
  tree.stack = TRY(open_stack(tree.layers, paths.index()));
  return tree;
}

Result<Place> find_in(const Layer& tree, const std::string& path, bool keep_last) {
  const auto within = fmt::format("'{}'", path);
  const build::LayerView view(tree);
  const auto last = keep_last ? build::LastLink::keep : build::LastLink::follow;
  const auto resolved = TRY_WITHIN(build::resolve(view, path, last), "{}", within);
  if (!resolved.seen) return fail(ENOENT, "there is no {} in the image", within);
  auto entry = TRY_WITHIN(walk(tree, resolved.path), "{}", within);
  return Place{resolved.path.str(), HeldNode(tree, entry.node), entry.attr};
}

}  // namespace acetate::cli
