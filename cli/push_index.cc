#include "cli/push_index.h"

#include "base/sys/file.h"
#include "layers/image/image_walk.h"
#include "layers/image/media_type.h"
#include "layers/registry/index_artifact.h"
#include "layers/shared_indexes.h"
#include "layers/stream/read_trace.h"
#include "layers/tar/index_store.h"

namespace acetate::cli {

namespace {

// Where our own index of a layer is, every byte of it looked at: what is published is what others will show.
Result<std::string> whole_index(const image::ImageFiles& files, const image::Descriptor& layer, const IndexStore& indexes) {
  TRY(indexes.adopt(layer.digest));
  const std::string path = indexes.path_of(layer.digest);
  for (const bool is_last : {false, true}) {
    TRY(open_layer(TRY(image::locate_blob(files, layer)), indexes.dir()));
    const auto index = indexes.find(layer.digest);
    if (index != nullptr && index->is_whole() && sys::stat_following(path)) return path;
    if (!is_last) (void)sys::unlink({kWorkingDir, path.c_str()});
  }
  return fail(EIO, "its index cannot be kept whole in {}", indexes.dir());
}

Result<std::vector<registry::IndexOfLayer>> indexes_of(const image::ImageFiles& files, const image::Manifest& manifest, Traces traces) {
  const IndexStore indexes = indexes_in(default_index_dir());
  std::vector<registry::IndexOfLayer> all;
  for (const auto& layer : manifest.layers) {
    if (!image::check_layer_type(layer.media_type)) continue;
    auto path = TRY_WITHIN(whole_index(files, layer, indexes), "layer {}", layer.digest.str());
    auto& index = all.emplace_back(registry::IndexOfLayer{.layer = layer.digest, .path = std::move(path)});
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
