#include "cli/push_index.h"

#include <fcntl.h>

#include <utility>

#include "base/sys/file.h"
#include "base/sys/memory.h"
#include "layers/image/image_walk.h"
#include "layers/image/media_type.h"
#include "layers/registry/index_artifact.h"
#include "layers/shared_indexes.h"
#include "layers/stream/read_trace.h"
#include "layers/tar/index_store.h"
#include "layers/tar/published_index.h"

namespace acetate::cli {

namespace {

// Our own index of a layer, every byte of it looked at: what is published is what others will show.
Result<LayerIndexPtr> whole_index(const LayerSpec& layer, const Digest& blob, const IndexStore& indexes) {
  TRY(indexes.adopt(blob));
  for (const bool is_last : {false, true}) {
    TRY(open_layer(layer, indexes.dir()));
    const auto index = indexes.find(blob);
    if (index != nullptr && index->is_whole()) return index;
    if (!is_last) (void)sys::unlink({kWorkingDir, indexes.path_of(blob).c_str()});
  }
  return fail(EIO, "its index cannot be kept whole in {}", indexes.dir());
}

// It may be as long as the layer has files.
Result<Fd> unnamed_file(const std::string& dir) {
  auto file = sys::open(dir, O_RDWR | O_TMPFILE, 0600);
  return file ? std::move(file) : sys::memory_file("acetate-published-index");
}

Result<registry::IndexOfLayer> index_for_others(const LayerSpec& layer, const Digest& blob, const IndexStore& indexes, Traces traces) {
  const auto index = TRY(whole_index(layer, blob, indexes));
  Fd blob_file = TRY_WITHIN(sys::open(layer.path, O_RDONLY), "opening {}", layer.path);
  const auto packed = TRY(file_source(std::move(blob_file), layer.offset, index->facts().packed_bytes));
  std::vector<TracePoint> points;
  if (traces == Traces::sent_too) points = TRY(points_for_others(index, packed, load_trace(indexes.trace_of(blob), blob)));
  Fd file = TRY(unnamed_file(indexes.dir()));
  registry::IndexOfLayer published{.layer = blob, .index = std::move(file)};
  TRY(write_index_for_others(index, packed, points, published.index.ref()));
  if (!points.empty()) published.trace = format_trace(blob, points);
  return published;
}

Result<std::vector<registry::IndexOfLayer>> indexes_of(const image::ImageFiles& files, const image::Manifest& manifest, Traces traces) {
  const IndexStore indexes = indexes_in(default_index_dir());
  std::vector<registry::IndexOfLayer> all;
  for (const auto& layer : manifest.layers) {
    if (!image::check_layer_type(layer.media_type)) continue;
    const auto where = TRY(image::locate_blob(files, layer));
    all.push_back(TRY_WITHIN(index_for_others(where, layer.digest, indexes, traces), "layer {}", layer.digest.str()));
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
