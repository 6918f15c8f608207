#include "builder/stage_state.h"

#include <algorithm>

#include "layers/open_layer_file.h"
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

namespace {

// A configuration may claim what it likes, and cache keys are made of diff ids: what was read must be what was claimed.
Result<void> check_claim(const OpenedLayer& opened, const LayerSpec& spec, const Digest& diff_id, std::vector<Digest>& known) {
  if (!opened.diff_id || std::ranges::find(known, diff_id) != known.end()) return {};
  const Digest found = opened.diff_id->algorithm() == diff_id.algorithm() ? *opened.diff_id : TRY(digest_of(*opened.bytes, diff_id.algorithm()));
  if (found != diff_id)
    return fail(EBADMSG, "the layer {} is {} uncompressed, and its image's configuration says {}", spec.path, found.str(), diff_id.str());
  known.push_back(diff_id);
  return {};
}

}  // namespace

Result<LayerPtr> LayerOpener::open_locked(const LayerSpec& spec, const std::optional<Digest>& diff_id) {
  auto at = std::ranges::find(open_, spec, &Opened::spec);
  if (at == open_.end()) {
    // By its tar: a table of contents does not tell the diff id.
    LayerSpec whole = spec;
    whole.toc.reset();
    OpenedLayer layer = TRY_WITHIN(open_layer(whole, index_dir_), "opening the layer {}", spec.path);
    at = open_.insert(open_.end(), {.spec = spec, .layer = std::move(layer), .known = {}});
  }
  if (diff_id) TRY(check_claim(at->layer, spec, *diff_id, at->known));
  return at->layer.layer;
}

Result<LayerPtr> LayerOpener::open_file(Fd file) const { return TRY_WITHIN(open_layer_file(std::move(file), index_dir_), "opening a tarball").layer; }

Result<void> LayerOpener::make_index(const LayerSpec& spec) const {
  TRY(open_layer(spec, index_dir_));
  return {};
}

Result<LayerPtr> LayerOpener::tree(const StageState& state) {
  constexpr std::size_t kKept = 16;
  Parts parts;
  for (const StageLayer& layer : state.layers) parts.emplace_back(layer.spec, layer.diff_id);
  const Lock lock(mutex_);
  for (const auto& [known, tree] : trees_)
    if (known == parts) return tree;
  std::vector<LayerPtr> layers;
  for (auto part = parts.rbegin(); part != parts.rend(); ++part) layers.push_back(TRY(open_locked(part->first, part->second)));
  LayerPtr tree = TRY(make_stack(std::move(layers)));
  if (trees_.size() == kKept) trees_.erase(trees_.begin());
  trees_.emplace_back(std::move(parts), tree);
  return tree;
}

}  // namespace acetate::build
