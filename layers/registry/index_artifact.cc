#include "layers/registry/index_artifact.h"

#include <fcntl.h>

#include <algorithm>
#include <cstring>

#include "base/bytes.h"
#include "base/log.h"
#include "base/sys/file.h"
#include "layers/image/json.h"
#include "layers/image/media_type.h"
#include "layers/registry/blob_upload.h"
#include "layers/registry/range_download.h"
#include "layers/stream/decoder.h"
#include "layers/stream/packer.h"
#include "layers/tar/foreign_index.h"

namespace acetate::registry {

namespace {

using image::Json;

constexpr std::size_t kMostIndexBytes = std::size_t{1} << 30;
constexpr std::size_t kMostTraceBytes = std::size_t{64} << 10;
constexpr std::size_t kPiece = std::size_t{256} << 10;
constexpr const char* kEmptyType = "application/vnd.oci.empty.v1+json";
constexpr std::string_view kEmpty = "{}";

Json descriptor_json(const image::Descriptor& descriptor) {
  return {{"mediaType", descriptor.media_type}, {"digest", descriptor.digest.str()}, {"size", descriptor.size}};
}

Result<std::string> packed(const std::string& path) {
  const auto plain = TRY_WITHIN(sys::read_file(path, kMostIndexBytes), "reading the layer index {}", path);
  std::string out;
  const auto packer = zstd_packer([&](std::span<const std::byte> bytes) -> Result<void> {
    out.append(as_text(bytes));
    return {};
  });
  TRY(packer->write(as_bytes(plain)));
  TRY(packer->finish());
  return out;
}

Result<std::string> unpacked(const std::string& bytes) {
  std::vector<std::byte> raw(bytes.size());
  std::memcpy(raw.data(), bytes.data(), bytes.size());
  const auto decoder = TRY(zstd_decoder(PackedReader(memory_source(std::move(raw)), 0, kPiece), 0));
  std::string out;
  std::vector<std::byte> piece(kPiece);
  while (const auto got = TRY(decoder->read(piece, Decoder::Stop::anywhere))) {
    if (got > kMostIndexBytes - out.size()) return fail(EFBIG, "it is longer than {} bytes", kMostIndexBytes);
    out.append(as_text(std::span(piece).first(got)));
  }
  return out;
}

Result<image::Descriptor> send_blob(Repository& repository, std::string bytes, const char* type) {
  const image::Descriptor blob{.media_type = type, .digest = Digest::of(bytes), .size = bytes.size()};
  TRY(upload_blob(repository, blob, Body::text(std::move(bytes)), {}));
  return blob;
}

// What an artifact's document says of one index.
struct Listed {
  image::Descriptor blob;
  Digest layer;
  bool is_trace = false;
};

Result<std::vector<Listed>> parse_artifact(const std::string& text, const std::string& what) {
  const Json json = TRY(image::parse_json(text, what));
  const auto document = TRY(image::ObjectReader::make(json, what));
  std::vector<Listed> all;
  const Json* layers = TRY(document.list("layers"));
  if (layers == nullptr) return all;
  for (const auto& each : *layers) {
    const auto entry = TRY(image::ObjectReader::make(each, what));
    const auto notes = TRY(entry.string_map("annotations"));
    const auto layer = notes.find(kIndexedLayer);
    const auto type = TRY(entry.string("mediaType"));
    if ((type != kIndexLayer && type != kTraceLayer) || layer == notes.end()) continue;
    const auto digest = TRY(entry.digest("digest")), of = TRY(Digest::parse(layer->second));
    const auto size = TRY(entry.size("size"));
    all.push_back({.blob = {.media_type = type, .digest = digest, .size = size}, .layer = of, .is_trace = type == kTraceLayer});
  }
  return all;
}

Result<std::string> fetch_blob(Repository& repository, const image::Descriptor& blob) {
  if (blob.size > kMostIndexBytes) return fail(EFBIG, "the layer index {} has {} bytes", blob.digest.str(), blob.size);
  std::string bytes;
  TRY(download_range(repository, blob, 0, blob.size, [&](std::uint64_t, std::span<const std::byte> part) -> Result<bool> {
    bytes.append(as_text(part));
    return true;
  }));
  if (Digest::of(bytes, blob.digest.algorithm()) != blob.digest) return fail(EBADMSG, "the blob {} is something else", blob.digest.str());
  return bytes;
}

Result<void> put_beside(const std::string& path, const std::string& name, const std::string& bytes) {
  const Fd dir = TRY_WITHIN(sys::open(path, O_RDONLY | O_DIRECTORY), "opening {}", path);
  return TRY_WITHIN(sys::write_file_atomically({dir.ref(), name.c_str()}, bytes, 0600), "writing {}/{}", path, name);
}

// All of it is looked at, once: from here on what is wrong with it was done by the disk.
Result<bool> put_index(const std::string& path, const Digest& layer, const Digest& origin, const std::string& bytes) {
  const auto name = foreign_index_name(layer, origin);
  TRY(put_beside(path, name, bytes));
  const auto index = TRY(open_foreign_index(path + "/" + name, layer));
  if (index != nullptr && index->is_whole()) return true;
  if (index != nullptr) log::info("the layer index {}/{} is damaged and not used", path, name);
  TRY(sys::unlink({kWorkingDir, (path + "/" + name).c_str()}));
  return false;
}

// A hint: without it nothing is wrong. The newest that is listed first stays.
void take_trace(Repository& repository, const Listed& trace, const std::string& path, const Digest& origin) {
  const auto name = foreign_trace_name(trace.layer, origin);
  if (trace.blob.size > kMostTraceBytes || sys::stat_following(path + "/" + name)) return;
  const auto take = [&]() -> Result<void> { return put_beside(path, name, TRY(fetch_blob(repository, trace.blob))); };
  if (const auto taken = take(); !taken) log::info("a read trace: {}", taken.error().message());
}

}  // namespace

Result<image::Descriptor> push_indexes(Repository& repository, const image::Descriptor& manifest,
                                       const std::vector<IndexOfLayer>& indexes) {
  Json layers = Json::array();
  const auto send = [&](std::string bytes, const char* type, const Digest& of) -> Result<void> {
    auto layer = descriptor_json(TRY(send_blob(repository, std::move(bytes), type)));
    layer["annotations"] = {{kIndexedLayer, of.str()}};
    layers.push_back(std::move(layer));
    return {};
  };
  for (const auto& index : indexes) {
    TRY(send(TRY(packed(index.path)), kIndexLayer, index.layer));
    if (index.trace.empty()) continue;
    TRY(send(TRY_WITHIN(sys::read_file(index.trace, kMostTraceBytes), "reading the read trace {}", index.trace), kTraceLayer, index.layer));
  }
  const auto config = TRY(send_blob(repository, std::string(kEmpty), kEmptyType));
  const Json document = {{"schemaVersion", 2},
                         {"mediaType", image::kOciManifest},
                         {"artifactType", kIndexArtifact},
                         {"config", descriptor_json(config)},
                         {"layers", layers},
                         {"subject", descriptor_json(manifest)}};
  const auto text = image::write_json(document);
  const image::Descriptor artifact{
      .media_type = std::string(image::kOciManifest), .digest = Digest::of(text), .size = text.size()};
  TRY(repository.put_manifest(artifact.digest.str(), artifact, text));
  return artifact;
}

Result<std::size_t> fetch_indexes(Repository& repository, const Digest& manifest, const std::vector<Digest>& layers,
                                  const std::string& path, const Digest& origin) {
  std::vector<Digest> wanted = layers;
  std::size_t found = std::erase_if(wanted, [&](const Digest& layer) { return find_foreign_index(path, layer, origin) != nullptr; });
  if (wanted.empty()) return found;
  const auto artifacts = TRY(repository.referrers(manifest, kIndexArtifact));
  // The one that was put in last is the newest, as far as a registry says.
  for (auto artifact = artifacts.rbegin(); artifact != artifacts.rend() && !wanted.empty(); ++artifact) {
    const auto fetched = TRY(repository.manifest(artifact->descriptor.digest.str()));
    for (const auto& listed : TRY(parse_artifact(fetched.bytes, "the layer indexes " + fetched.descriptor.digest.str()))) {
      if (listed.is_trace) {
        if (std::ranges::find(layers, listed.layer) != layers.end()) take_trace(repository, listed, path, origin);
        continue;
      }
      const auto at = std::ranges::find(wanted, listed.layer);
      if (at == wanted.end()) continue;
      const auto bytes = TRY_WITHIN(unpacked(TRY(fetch_blob(repository, listed.blob))), "the layer index {}", listed.blob.digest.str());
      if (!TRY(put_index(path, listed.layer, origin, bytes))) continue;
      wanted.erase(at);
      ++found;
    }
  }
  return found;
}

}  // namespace acetate::registry
