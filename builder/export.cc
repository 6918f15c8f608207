#include "builder/export.h"

#include <fcntl.h>

#include "base/sys/file.h"
#include "builder/cache_inline.h"
#include "builder/index_maker.h"
#include "builder/packed_layer.h"
#include "layers/image/config.h"
#include "layers/image/manifest.h"
#include "layers/image/media_type.h"

namespace acetate::build {

namespace {

// BuildKit's util/converter: what rewrite-timestamp=true leaves on each layer that it rewrote.
constexpr const char* kRewrittenTimestamp = "buildkit/rewritten-timestamp";

}  // namespace

std::string with_tag(const std::string& name) {
  const std::size_t colon = name.find(':', name.rfind('/') + 1);
  return colon != std::string::npos || name.find('@') != std::string::npos ? name : name + ":latest";
}

Result<ExportedImage> export_image(const ExportRequest& request, const StageState& state, image::Layout& layout, const Packing& packing) {
  image::Manifest manifest{.annotations = request.annotations};
  image::Config written = state.config;
  IndexMaker indexes(request.layers);
  for (std::size_t n = 0; n < state.layers.size(); ++n) {
    const StageLayer& layer = state.layers[n];
    auto packed = TRY_WITHIN(put_layer(layer, layout, packing, request.cache), "writing the layer {}", layer.diff_id.str());
    if (packing.tells_epoch && request.times.kind == TimeRule::Kind::epoch && n >= state.base_layers)
      packed.blob.annotations[kRewrittenTimestamp] = std::to_string(request.times.epoch);
    if (packed.blob.digest != layer.blob) indexes.add({.path = layout.blob_path(packed.blob.digest), .digest = packed.blob.digest});
    manifest.layers.push_back(std::move(packed.blob));
    written.diff_ids[n] = packed.diff_id;
  }
  std::string config = TRY(image::to_json(written));
  if (request.inline_cache != nullptr) config = TRY(with_inline_cache(config, request.cache, *request.inline_cache, state));
  manifest.config = TRY(layout.put_blob(config, std::string(image::kOciConfig)));
  ExportedImage exported{.config = manifest.config.digest};
  exported.manifest = TRY(layout.put_blob(image::to_json(manifest), std::string(image::kOciManifest)));
  return exported;
}

}  // namespace acetate::build
