#include "builder/stage_state.h"

#include <algorithm>

#include "layers/stack.h"
#include "layers/tar/source_digest.h"

namespace acetate::build {

Digest StageState::chain() const {
  Sha256 hash;
  for (const StageLayer& layer : layers) hash.update(layer.diff_id.bytes());
  return hash.finish();
}

std::vector<std::string> StageState::lowers() const {
  std::vector<std::string> lowers;
  for (auto layer = layers.rbegin(); layer != layers.rend(); ++layer) lowers.push_back(format_layer_spec(layer->spec));
  return lowers;
}

void StageState::push(StageLayer layer) {
  config.diff_ids.push_back(layer.diff_id);
  layers.push_back(std::move(layer));
}

Result<LayerPtr> LayerOpener::open(const LayerSpec& spec, const std::optional<Digest>& diff_id) {
  const Lock lock(mutex_);
  return open_locked(spec, diff_id);
}

Result<LayerPtr> LayerOpener::open_locked(const LayerSpec& spec, const std::optional<Digest>& diff_id) {
  for (const auto& [known, layer] : open_)
    if (known == spec) return layer;
  // By its tar: a table of contents does not tell the diff id.
  LayerSpec whole = spec;
  whole.toc.reset();
  OpenedLayer opened = TRY_WITHIN(open_layer(whole, index_dir_), "opening the layer {}", spec.path);
  // A configuration may claim what it likes, and cache keys are made of diff ids: what was read must be what was claimed.
  if (opened.diff_id && diff_id) {
    const Digest found = opened.diff_id->algorithm() == diff_id->algorithm() ? *opened.diff_id : TRY(digest_of(*opened.bytes, diff_id->algorithm()));
    if (found != *diff_id)
      return fail(EBADMSG, "the layer {} is {} uncompressed, and its image's configuration says {}", spec.path, found.str(), diff_id->str());
  }
  open_.emplace_back(spec, opened.layer);
  return std::move(opened.layer);
}

Result<LayerPtr> LayerOpener::tree(const StageState& state) {
  constexpr std::size_t kKept = 16;
  const Digest chain = state.chain();
  const Lock lock(mutex_);
  for (const auto& [known, tree] : trees_)
    if (known == chain) return tree;
  std::vector<LayerPtr> layers;
  for (auto layer = state.layers.rbegin(); layer != state.layers.rend(); ++layer) layers.push_back(TRY(open_locked(layer->spec, layer->diff_id)));
  LayerPtr tree = TRY(make_stack(std::move(layers)));
  if (trees_.size() == kKept) trees_.erase(trees_.begin());
  trees_.emplace_back(chain, tree);
  return tree;
}

}  // namespace acetate::build
