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

Result<ExportedImage> export_image(const ExportRequest& request, image::Layout& layout, const Packing& packing) {
  const StageState& state = request.state;
  image::Manifest manifest{.annotations = request.annotations};
  for (const StageLayer& layer : state.layers)
    manifest.layers.push_back(
        TRY_WITHIN(put_layer(layer, layout, packing, request.cache), "writing the layer {}", layer.diff_id.str()));
  const std::string config = TRY(image::to_json(state.config));
  manifest.config = TRY(layout.put_blob(config, std::string(image::kOciConfig)));
  ExportedImage exported{.config = manifest.config.digest};
  exported.manifest = TRY(layout.put_blob(image::to_json(manifest), std::string(image::kOciManifest)));
  for (const std::string& tag : request.tags) TRY(layout.set_reference(tag, exported.manifest));
  return exported;
}

}  // namespace acetate::build
