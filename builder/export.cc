#include "builder/export.h"

#include <fcntl.h>

#include "base/sys/file.h"
#include "builder/packed_layer.h"
#include "layers/image/config.h"
#include "layers/image/manifest.h"
#include "layers/image/media_type.h"

namespace acetate::build {

std::string with_tag(const std::string& name) {
  const std::size_t colon = name.find(':', name.rfind('/') + 1);
  return colon != std::string::npos || name.find('@') != std::string::npos ? name : name + ":latest";
}

Result<ExportedImage> export_image(const ExportRequest& request, const StageState& state, image::Layout& layout, const Packing& packing) {
  image::Manifest manifest{.annotations = request.annotations};
  image::Config written = state.config;
  for (std::size_t n = 0; n < state.layers.size(); ++n) {
    const StageLayer& layer = state.layers[n];
    auto packed = TRY_WITHIN(put_layer(layer, layout, packing, request.cache), "writing the layer {}", layer.diff_id.str());
    manifest.layers.push_back(std::move(packed.blob));
    written.diff_ids[n] = packed.diff_id;
  }
  const std::string config = TRY(image::to_json(written));
  manifest.config = TRY(layout.put_blob(config, std::string(image::kOciConfig)));
  ExportedImage exported{.config = manifest.config.digest};
  exported.manifest = TRY(layout.put_blob(image::to_json(manifest), std::string(image::kOciManifest)));
  return exported;
}

}  // namespace acetate::build
