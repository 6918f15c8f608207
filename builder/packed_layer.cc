#include "builder/packed_layer.h"

#include <fcntl.h>

#include "base/sys/file.h"
#include "layers/image/media_type.h"
#include "layers/stream/first_pass.h"
#include "layers/stream/packer.h"
#include "layers/tar/estargz_writer.h"
#include "layers/tar/toc_place.h"

namespace acetate::build {

namespace {

using Bytes = std::span<const std::byte>;

// Hands on the bytes of a layer as they lie.
Result<void> read_layer(const StageLayer& layer, const std::function<Result<void>(Bytes)>& out) {
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

Result<SourcePtr> source_of(const StageLayer& layer) {
  Fd fd = TRY(sys::open(layer.spec.path, O_RDONLY));
  return layer.spec.length ? file_source(std::move(fd), layer.spec.offset, *layer.spec.length) : file_source(std::move(fd));
}

// Hands on the tar in a layer, whatever it is packed with.
Result<void> read_plain(const StageLayer& layer, const std::function<Result<void>(Bytes)>& out) {
  if (layer.media_type == image::kOciLayer) return read_layer(layer, out);
  FirstPass pass = TRY(FirstPass::open(TRY(source_of(layer))));
  std::vector<std::byte> buffer(1 << 20);
  for (;;) {
    const std::size_t got = TRY(pass.read(buffer));
    if (got == 0) return {};
    TRY(out(std::span(buffer).first(got)));
  }
}

// The digest of its table of contents, where it is an eStargz: without it in the manifest nobody would mount it lazily any more.
// Of one that is damaged there is none.
std::optional<Digest> toc_of(const StageLayer& layer) {
  if (layer.media_type != image::kOciLayerGzip) return std::nullopt;
  const auto source = source_of(layer);
  if (!source) return std::nullopt;
  const auto place = find_toc(**source);
  if (!place || !*place || (*place)->format != Format::gzip) return std::nullopt;
  const auto table = read_toc(*source, **place);
  return table ? std::optional(Digest::of(*table)) : std::nullopt;
}

Result<image::Descriptor> copy_layer(const StageLayer& layer, image::Layout& layout) {
  if (TRY(layout.has_blob(layer.blob)))
    return image::Descriptor{.media_type = layer.media_type, .digest = layer.blob, .size = layer.size};
  const auto blob = TRY(layout.new_blob());
  TRY(blob->hash_by(layer.blob.algorithm()));
  TRY(read_layer(layer, [&](Bytes bytes) { return blob->write(bytes); }));
  const auto written = TRY(blob->commit(layer.media_type));
  if (written.digest != layer.blob)
    return fail(EBADMSG, "the layer {} is damaged: its bytes are {}", layer.blob.str(), written.digest.str());
  return written;
}

Result<void> pack(const StageLayer& layer, Packer& packer) {
  Hasher plain(layer.diff_id.algorithm());
  TRY(read_plain(layer, [&](Bytes bytes) -> Result<void> {
    plain.update(bytes);
    return packer.write(bytes);
  }));
  TRY(packer.finish());
  if (plain.finish() != layer.diff_id) return fail(EBADMSG, "the layer {} is damaged", layer.diff_id.str());
  return {};
}

// Not remembered as other packings are: the table's digest and the diff id would be, too.
Result<PackedLayer> put_estargz(const StageLayer& layer, image::Layout& layout, int level) {
  const SourcePtr source = TRY(source_of(layer));
  const auto blob = TRY(layout.new_blob());
  const Estargz made = TRY(write_estargz(source, [&](Bytes bytes) { return blob->write(bytes); }, level, layer.diff_id.algorithm()));
  if (made.source != layer.diff_id) return fail(EBADMSG, "the layer {} is damaged", layer.diff_id.str());
  PackedLayer packed{.blob = TRY(blob->commit(std::string(image::kOciLayerGzip))), .diff_id = made.diff_id};
  packed.blob.toc = made.toc;
  return packed;
}

Result<image::Descriptor> put_packed(const StageLayer& layer, image::Layout& layout, const Packing& packing, Cache& cache) {
  const bool gzip = packing.compression == Compression::gzip, zstd = packing.compression == Compression::zstd;
  const int level = packing.level.value_or(zstd ? 3 : 6);
  const std::string how = fmt::format("{} {}", gzip ? "gzip" : zstd ? "zstd" : "none", level);
  if (const auto known = TRY(cache.packed(layer.diff_id, how)); known && TRY(layout.has_blob(known->digest))) return *known;
  const auto blob = TRY(layout.new_blob());
  const auto out = [&](Bytes bytes) { return blob->write(bytes); };
  const auto packer = gzip ? gzip_packer(out, level) : zstd ? zstd_packer(out, level) : no_packer(out);
  TRY(pack(layer, *packer));
  const auto written = TRY(blob->commit(std::string(gzip ? image::kOciLayerGzip : zstd ? image::kOciLayerZstd : image::kOciLayer)));
  TRY(cache.set_packed(layer.diff_id, how, written));
  return written;
}

}  // namespace

Result<PackedLayer> put_layer(const StageLayer& layer, image::Layout& layout, const Packing& packing, Cache& cache) {
  const bool ours = layer.blob == layer.diff_id && layer.spec.path == cache.layer_path(layer.diff_id);
  const bool plain = layer.media_type == image::kOciLayer;
  const bool packs = packing.compression == Compression::gzip || packing.compression == Compression::zstd;
  const bool stays = (!ours && !packing.force && !(plain && packs)) || (plain && packing.compression == Compression::none);
  if (!stays && packing.compression == Compression::estargz) return put_estargz(layer, layout, packing.level.value_or(9));
  auto blob = stays ? TRY(copy_layer(layer, layout)) : TRY(put_packed(layer, layout, packing, cache));
  if (stays) blob.toc = toc_of(layer);
  return PackedLayer{.blob = std::move(blob), .diff_id = layer.diff_id};
}

}  // namespace acetate::build
