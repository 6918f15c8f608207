#include "cli/push_index.h"

#include "layers/image/image_walk.h"
#include "layers/image/media_type.h"
#include "layers/registry/index_artifact.h"
#include "layers/stream/read_trace.h"
#include "layers/tar/index_store.h"

namespace acetate::cli {

namespace {

Result<std::vector<registry::IndexOfLayer>> indexes_of(const image::ImageFiles& files, const image::Manifest& manifest, Traces traces) {
  const IndexStore indexes(default_index_dir());
  std::vector<registry::IndexOfLayer> all;
  for (const auto& layer : manifest.layers) {
    if (!image::check_layer_type(layer.media_type)) continue;
    TRY_WITHIN(open_layer(TRY(image::locate_blob(files, layer)), default_index_dir()), "layer {}", layer.digest.str());
    auto& index = all.emplace_back(registry::IndexOfLayer{.layer = layer.digest, .path = indexes.path_of(layer.digest)});
    const auto trace = indexes.trace_of(layer.digest);
    if (traces == Traces::sent_too && !load_trace(trace, layer.digest).empty()) index.trace = trace;
  }
  return all;
}

}  // namespace

Result<void> push_indexes_of(const image::ImageStore& store, const image::StoredImage& stored,
                             const image::Descriptor& target, registry::Repository& repository, Traces traces) {
  const auto& files = store.files(stored);
  return image::walk_image(files, target, [&](const image::ImagePart& part) -> Result<void> {
    if (part.kind != image::ImagePart::Kind::manifest || part.is_absent) return {};
    const auto document = TRY(image::parse_any_document(part.text, part.descriptor.media_type, part.descriptor.digest.str()));
    if (!document.manifest || !image::is_config_type(document.manifest->config.media_type)) return {};
    const auto indexes = TRY(indexes_of(files, *document.manifest, traces));
    if (!indexes.empty()) TRY(registry::push_indexes(repository, part.descriptor, indexes));
    return {};
  });
}

}  // namespace acetate::cli
