#include "layers/registry/index_artifact.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <functional>
#include <map>
#include <set>

#include "base/bytes.h"
#include "base/log.h"
#include "base/sys/file.h"
#include "base/sys/new_file.h"
#include "layers/image/json.h"
#include "layers/image/media_type.h"
#include "layers/registry/blob_upload.h"
#include "layers/registry/range_download.h"
#include "layers/registry/transfer.h"
#include "layers/stream/decoder.h"
#include "layers/stream/packer.h"
#include "layers/tar/foreign_index.h"

namespace acetate::registry {

namespace {

using image::Json;

constexpr std::size_t kMostIndexBytes = std::size_t{1} << 30;
// What an index of a layer may need: entries without content take hardly a byte of the packed layer each, and some 150 of the index.
constexpr std::uint64_t most_bytes_for(std::uint64_t layer) { return std::min<std::uint64_t>(kMostIndexBytes, (16 << 20) + 32 * std::min(layer, std::uint64_t{1} << 40)); }
constexpr std::size_t kMostArtifacts = 16;  // that are looked into, the newest
constexpr int kAtOnce = 16;                 // of indexes and traces, which are small: what they take is round trips
constexpr std::size_t kMostTraceBytes = std::size_t{64} << 10;
constexpr std::size_t kPiece = std::size_t{256} << 10;
constexpr const char* kEmptyType = "application/vnd.oci.empty.v1+json";
constexpr std::string_view kEmpty = "{}";

Json descriptor_json(const image::Descriptor& descriptor) {
  return {{"mediaType", descriptor.media_type}, {"digest", descriptor.digest.str()}, {"size", descriptor.size}};
}

// Most of it are digests and windows, which are packed already: from the default level to this one it loses 1.5 %, and nothing beyond.
constexpr int kLevel = 9;

Result<std::string> packed(const IndexOfLayer& index) {
  const auto plain = TRY_WITHIN(sys::read_all(index.index.ref(), kMostIndexBytes), "reading the layer index of {}", index.layer.str());
  std::string out;
  const auto packer = zstd_packer(
      [&](std::span<const std::byte> bytes) -> Result<void> {
        out.append(as_text(bytes));
        return {};
      },
      kLevel);
  TRY(packer->write(as_bytes(plain)));
  TRY(packer->finish());
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
    const bool is_trace = type == kTraceLayer || type == kOldTraceLayer;
    if ((type != kIndexLayer && !is_trace) || layer == notes.end()) continue;
    const auto digest = TRY(entry.digest("digest")), of = TRY(Digest::parse(layer->second));
    const auto size = TRY(entry.size("size"));
    all.push_back({.blob = {.media_type = type, .digest = digest, .size = size}, .layer = of, .is_trace = is_trace});
  }
  return all;
}

// Verified once all of it was handed over.
Result<void> fetch_blob(Repository& repository, const image::Descriptor& blob, std::uint64_t most,
                        const std::function<Result<void>(std::span<const std::byte>)>& take) {
  if (blob.size > most) return fail(EFBIG, "the blob {} has {} bytes, and more than {} are not taken", blob.digest.str(), blob.size, most);
  Hasher hasher(blob.digest.algorithm());
  TRY(download_range(repository, blob, 0, blob.size, [&](std::uint64_t, std::span<const std::byte> part) -> Result<bool> {
    hasher.update(part);
    TRY(take(part));
    return true;
  }));
  if (hasher.finish() != blob.digest) return fail(EBADMSG, "the blob {} is something else", blob.digest.str());
  return {};
}

// Into a file without a name. It is as long as whoever made it likes: not in memory.
Result<Fd> fetch_into_file(Repository& repository, const image::Descriptor& blob, std::uint64_t most, const std::string& dir) {
  const auto path = fmt::format("{}/.packed-index-{}-{}", dir, ::getpid(), blob.digest.hex());
  (void)sys::unlink({kWorkingDir, path.c_str()});  // of somebody who had our number and was killed
  Fd file = TRY_WITHIN(sys::open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0600), "making {}", path);
  TRY(sys::unlink({kWorkingDir, path.c_str()}));
  TRY(fetch_blob(repository, blob, most, [&](std::span<const std::byte> part) { return sys::write_full(file.ref(), part); }));
  return file;
}

Result<void> unpack(Fd packed, std::uint64_t most, FdRef out) {
  const auto decoder = TRY(zstd_decoder(PackedReader(TRY(file_source(std::move(packed))), 0, kPiece), 0));
  std::vector<std::byte> piece(kPiece);
  while (const auto got = TRY(decoder->read(piece, Decoder::Stop::anywhere))) {
    if (got > most) return fail(EFBIG, "it is longer than one of that layer can be");
    most -= got;
    TRY(sys::write_full(out, std::span(piece).first(got)));
  }
  return {};
}

Result<void> put_beside(const std::string& path, const std::string& name, const std::string& bytes) {
  const Fd dir = TRY_WITHIN(sys::open(path, O_RDONLY | O_DIRECTORY), "opening {}", path);
  return TRY_WITHIN(sys::write_file_atomically({dir.ref(), name.c_str()}, bytes, 0600), "writing {}/{}", path, name);
}

// All of it is looked at, once: from here on what is wrong with it was done by the disk.
Result<bool> take_index(Repository& repository, const image::Descriptor& blob, const image::Descriptor& layer, const std::string& path,
                        const Digest& origin) {
  const auto most = most_bytes_for(layer.size);
  const auto name = foreign_index_name(layer.digest, origin);
  auto file = TRY_WITHIN(sys::NewFile::make(path + "/" + name, 0600), "writing {}/{}", path, name);
  TRY(unpack(TRY(fetch_into_file(repository, blob, most, path)), most, file.ref()));
  TRY(file.commit());
  const auto index = TRY(open_foreign_index(path + "/" + name, layer.digest));
  if (index != nullptr && index->is_whole()) return true;
  if (index != nullptr) log::info("the layer index {}/{} is damaged and not used", path, name);
  TRY(sys::unlink({kWorkingDir, (path + "/" + name).c_str()}));
  return false;
}

// A hint: without it nothing is wrong. The newest that is listed first stays.
void take_trace(Repository& repository, const Listed& trace, const std::string& path, const Digest& origin) {
  const auto name = foreign_trace_name(trace.layer, origin);
  if (trace.blob.size > kMostTraceBytes || sys::stat_following(path + "/" + name)) return;
  const auto take = [&]() -> Result<void> {
    std::string bytes;
    TRY(fetch_blob(repository, trace.blob, kMostTraceBytes, [&](std::span<const std::byte> part) -> Result<void> {
      bytes.append(as_text(part));
      return {};
    }));
    return put_beside(path, name, bytes);
  };
  if (const auto taken = take(); !taken) log::info("a read trace: {}", taken.error().message());
}

// Of each layer one index and one trace: an artifact that lists several may list as many as it likes.
std::vector<std::pair<Listed, image::Descriptor>> chosen(const std::vector<Listed>& listed, const std::vector<image::Descriptor>& layers,
                                                         const std::vector<image::Descriptor>& without_index) {
  std::vector<std::pair<Listed, image::Descriptor>> all;
  std::set<std::pair<Digest, bool>> has;
  for (const auto& each : listed) {
    const auto& of = each.is_trace ? layers : without_index;
    const auto layer = std::ranges::find(of, each.layer, &image::Descriptor::digest);
    if (layer != of.end() && has.emplace(each.layer, each.is_trace).second) all.emplace_back(each, *layer);
  }
  return all;
}

// Side by side. The layers of which an index is there then.
Result<std::set<Digest>> take_all(Repository& repository, const std::vector<std::pair<Listed, image::Descriptor>>& all, const std::string& path,
                                  const Digest& origin) {
  std::map<Digest, image::Descriptor> blobs;  // layers may have the same trace
  for (const auto& [listed, layer] : all) blobs.emplace(listed.blob.digest, listed.blob);
  std::vector<image::Descriptor> wanted;
  for (const auto& [digest, blob] : blobs) wanted.push_back(blob);
  std::vector<std::atomic<bool>> taken(all.size());
  TRY(transfer_all(std::move(wanted), kAtOnce, {}, [&](const image::Descriptor& blob, const Progress&) -> Result<TransferState> {
    for (std::size_t i = 0; i < all.size(); ++i) {
      const auto& [listed, layer] = all[i];
      if (listed.blob.digest != blob.digest) continue;
      if (listed.is_trace)
        take_trace(repository, listed, path, origin);
      else
        taken[i] = TRY_WITHIN(take_index(repository, listed.blob, layer, path, origin), "the layer index {}", blob.digest.str());
    }
    return TransferState::done;
  }));
  std::set<Digest> layers;
  for (std::size_t i = 0; i < all.size(); ++i)
    if (taken[i]) layers.insert(all[i].first.layer);
  return layers;
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
    TRY(send(TRY(packed(index)), kIndexLayer, index.layer));
    if (!index.trace.empty()) TRY(send(index.trace, kTraceLayer, index.layer));
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

Result<std::size_t> fetch_indexes(Repository& repository, const Digest& manifest, const std::vector<image::Descriptor>& layers,
                                  const std::string& path, const Digest& origin) {
  auto wanted = layers;
  std::size_t found = std::erase_if(wanted, [&](const auto& layer) { return find_foreign_index(path, layer.digest, origin) != nullptr; });
  if (wanted.empty()) return found;
  auto artifacts = TRY(repository.referrers(manifest, kIndexArtifact));
  // The one that was put in last is the newest, as far as a registry says.
  std::ranges::reverse(artifacts);
  if (artifacts.size() > kMostArtifacts) artifacts.erase(artifacts.begin() + kMostArtifacts, artifacts.end());
  for (const auto& artifact : artifacts) {
    if (wanted.empty()) break;
    const auto fetched = TRY(repository.manifest(artifact.descriptor.digest.str()));
    const auto listed = TRY(parse_artifact(fetched.bytes, "the layer indexes " + fetched.descriptor.digest.str()));
    const auto taken = TRY(take_all(repository, chosen(listed, layers, wanted), path, origin));
    found += std::erase_if(wanted, [&](const auto& layer) { return taken.contains(layer.digest); });
  }
  return found;
}

}  // namespace acetate::registry
