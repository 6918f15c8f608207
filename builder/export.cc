#include "builder/export.h"

#include <fcntl.h>

#include "base/sys/file.h"
#include "builder/sandbox/scratch.h"
#include "layers/image/config.h"
#include "layers/image/manifest.h"
#include "layers/image/media_type.h"
#include "layers/stream/gzip_writer.h"

namespace acetate::build {

namespace {

// Hands on the bytes of a layer as they lie.
Result<void> read_layer(const StageLayer& layer, const std::function<Result<void>(std::span<const std::byte>)>& out) {
  const Fd fd = TRY(sys::open(layer.spec.path, O_RDONLY));
  std::vector<std::byte> buffer(1 << 20);
  const std::uint64_t end = layer.spec.length ? layer.spec.offset + *layer.spec.length : UINT64_MAX;
  for (std::uint64_t at = layer.spec.offset; at < end;) {
    const auto want = static_cast<std::size_t>(std::min<std::uint64_t>(buffer.size(), end - at));
    const std::size_t got = TRY(sys::pread_full(fd.ref(), std::span(buffer).first(want), at));
    if (got == 0) break;
    TRY(out(std::span(buffer).first(got)));
    at += got;
  }
  return {};
}

Result<image::Descriptor> copy_layer(const StageLayer& layer, image::Layout& layout) {
  if (TRY(layout.has_blob(layer.blob)))
    return image::Descriptor{.media_type = layer.media_type, .digest = layer.blob, .size = layer.size};
  const auto blob = TRY(layout.new_blob());
  TRY(read_layer(layer, [&](auto bytes) { return blob->write(bytes); }));
  const auto written = TRY(blob->commit(layer.media_type));
  if (written.digest != layer.blob)
    return fail(EBADMSG, "the layer {} is damaged: its bytes are {}", layer.blob.str(), written.digest.str());
  return written;
}

Result<image::Descriptor> gzip_layer(const StageLayer& layer, image::Layout& layout, Cache& cache) {
  if (const auto known = TRY(cache.packed(layer.diff_id)); known && TRY(layout.has_blob(known->digest))) return *known;
  const auto blob = TRY(layout.new_blob());
  Sha256 plain;
  GzipWriter gzip([&](auto bytes) { return blob->write(bytes); });
  TRY(read_layer(layer, [&](auto bytes) -> Result<void> {
    plain.update(bytes);
    return gzip.write(bytes);
  }));
  TRY(gzip.finish());
  if (plain.finish() != layer.diff_id) return fail(EBADMSG, "the layer {} in the build cache is damaged", layer.diff_id.str());
  const auto written = TRY(blob->commit(std::string(image::kOciLayerGzip)));
  TRY(cache.set_packed(layer.diff_id, written));
  return written;
}

}  // namespace

std::string with_tag(const std::string& name) {
  const std::size_t colon = name.find(':', name.rfind('/') + 1);
  return colon != std::string::npos || name.find('@') != std::string::npos ? name : name + ":latest";
}

Result<ExportedImage> export_image(const StageState& state, image::Layout& layout, Compression compression,
                                   const std::vector<std::string>& tags, Cache& cache) {
  image::Manifest manifest;
  for (const StageLayer& layer : state.layers) {
    // Of this build, told by its place: what lies in the cache is its own digest.
    const bool ours = layer.blob == layer.diff_id && layer.spec.path == cache.layer_path(layer.diff_id);
    const bool pack = ours && compression == Compression::gzip;
    manifest.layers.push_back(TRY_WITHIN(pack ? gzip_layer(layer, layout, cache) : copy_layer(layer, layout),
                                         "writing the layer {}", layer.diff_id.str()));
  }
  const std::string config = TRY(image::to_json(state.config));
  manifest.config = TRY(layout.put_blob(config, std::string(image::kOciConfig)));
  ExportedImage exported{.config = manifest.config.digest,
                         .manifest = TRY(layout.put_blob(image::to_json(manifest), std::string(image::kOciManifest)))};
  for (const std::string& tag : tags) TRY(layout.set_reference(tag, exported.manifest));
  return exported;
}

Result<ExportedImage> export_to(const std::string& dest, const StageState& state, Compression compression,
                                const std::vector<std::string>& tags, Cache& cache, const std::string& scratch_base) {
  const std::vector<std::string> names = tags.empty() ? std::vector<std::string>{"latest"} : tags;
  if (!dest.ends_with(".tar")) {
    const auto layout = TRY(image::Layout::open(dest));
    return export_image(state, *layout, compression, names, cache);
  }
  const auto scratch = TRY(sandbox::Scratch::make(scratch_base));
  const std::string dir = scratch.path() + "/layout";
  ExportedImage exported;
  {
    const auto layout = TRY(image::Layout::open(dir));
    exported = TRY(export_image(state, *layout, compression, names, cache));
  }
  const std::string partial = dest + ".partial";
  {
    const Fd out = TRY_WITHIN(sys::open(partial, O_WRONLY | O_CREAT | O_TRUNC, 0644), "writing {}", partial);
    TRY_WITHIN(image::write_oci_archive(dir, out.ref()), "writing {}", dest);
    TRY_WITHIN(sys::fsync(out.ref()), "writing {}", dest);
  }
  TRY_WITHIN(sys::rename({kWorkingDir, partial.c_str()}, {kWorkingDir, dest.c_str()}), "writing {}", dest);
  return exported;
}

}  // namespace acetate::build
