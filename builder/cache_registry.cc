#include "builder/cache_registry.h"

#include <fcntl.h>
#include <unistd.h>

#include <map>
#include <nlohmann/json.hpp>

#include "base/sys/file.h"
#include "base/sys/new_file.h"
#include "builder/sandbox/scratch.h"
#include "layers/image/json.h"
#include "layers/image/layout.h"
#include "layers/image/media_type.h"
#include "layers/registry/blob_upload.h"
#include "layers/registry/credentials.h"
#include "layers/registry/remotes.h"
#include "layers/stream/first_pass.h"
#include "layers/stream/packer.h"

namespace acetate::build {

namespace {

using image::Descriptor;
using image::Json;

constexpr const char* kCacheType = "application/vnd.acetate.build-cache.v2+json";
constexpr const char* kAnyVersion = "application/vnd.acetate.build-cache.";
constexpr const char* kDiffId = "org.acetate.layer.diff-id";
// Under which Cache::packed() keeps the blobs that we have made or looked into. What a registry says of others is not passed on.
constexpr const char* kPackedHow = "zstd, for the cache in a registry";

// What the artifact under a name has.
struct Artifact {
  Descriptor index;
  std::map<Digest, Descriptor> layers;  // by diff id
};

Result<Descriptor> parse_descriptor(const image::ObjectReader& entry) {
  Descriptor descriptor{.media_type = TRY(entry.string("mediaType"))};
  descriptor.digest = TRY(entry.digest("digest"));
  descriptor.size = TRY(entry.size("size"));
  return descriptor;
}

Result<Artifact> parse_artifact(const std::string& text, const std::string& what) {
  const Json json = TRY(image::parse_json(text, what));
  const auto document = TRY(image::ObjectReader::make(json, what));
  const Json* config = document.get("config");
  if (TRY(document.string("artifactType")) != kCacheType || config == nullptr) return fail(EBADMSG, "{} is no build cache of this version", what);
  Artifact artifact;
  artifact.index = TRY(parse_descriptor(TRY(image::ObjectReader::make(*config, what))));
  const Json* layers = TRY(document.list("layers"));
  if (layers == nullptr) return artifact;
  for (const Json& each : *layers) {
    const auto entry = TRY(image::ObjectReader::make(each, what));
    const auto notes = TRY(entry.string_map("annotations"));
    if (const auto diff_id = notes.find(kDiffId); diff_id != notes.end())
      artifact.layers[TRY_WITHIN(Digest::parse(diff_id->second), "{}", what)] = TRY(parse_descriptor(entry));
  }
  return artifact;
}

Json to_json(const Descriptor& descriptor) {
  return {{"mediaType", descriptor.media_type}, {"digest", descriptor.digest.str()}, {"size", descriptor.size}};
}

// A name that stands for an image is not taken from it.
Result<void> refuse_others(const std::string& manifest, const std::string& what) {
  const auto json = image::parse_json(manifest, what);
  const auto document = json ? image::ObjectReader::make(*json, what) : Result<image::ObjectReader>(json.error().clone());
  const auto type = document ? document->string("artifactType") : Result<std::string>(document.error().clone());
  if (type && type->starts_with(kAnyVersion)) return {};
  return fail(EEXIST, "{} is something else than a build cache, and is not replaced: another tag is needed", what);
}

// A layer packed into a file that nobody else sees.
struct PackedFile {
  Descriptor descriptor;
  Fd file;
};

Result<PackedFile> pack(const std::string& path, const std::string& into) {
  Fd file = TRY(sys::open(into, O_RDWR | O_CREAT | O_TRUNC, 0600));
  PackedFile packed{.descriptor = {.media_type = std::string(image::kOciLayerZstd)}, .file = std::move(file)};
  const Fd plain = TRY_WITHIN(sys::open(path, O_RDONLY), "reading {}", path);
  Sha256 hash;
  const auto packer = zstd_packer([&](std::span<const std::byte> bytes) -> Result<void> {
    hash.update(bytes);
    packed.descriptor.size += bytes.size();
    return sys::write_full(packed.file.ref(), bytes);
  });
  std::vector<std::byte> buffer(1 << 20);
  while (const std::size_t got = TRY(sys::read(plain.ref(), buffer))) TRY(packer->write(std::span(buffer).first(got)));
  TRY(packer->finish());
  packed.descriptor.digest = hash.finish();
  return packed;
}

Result<Descriptor> send_layer(registry::Repository& repository, const std::string& path, const std::string& into) {
  const PackedFile packed = TRY_WITHIN(pack(path, into), "packing {}", path);
  const registry::Body body{.size = packed.descriptor.size, .read = [&packed](std::span<std::byte> bytes, std::uint64_t offset) {
                              return sys::pread_full(packed.file.ref(), bytes, offset);
                            }};
  TRY(registry::upload_blob(repository, packed.descriptor, body, {}));
  return packed.descriptor;
}

// What was asked of it cannot be had there: no reason to ask no further.
bool is_about_the_blob(const Error& error) { return error.is(EBADMSG) || error.is(ENOENT) || error.is(EINVAL); }

// The layer, out of a blob that anybody may have made.
Result<void> unpack(const std::string& blob, const std::string& path, const CachedLayer& layer) {
  auto pass = FirstPass::open(TRY(file_source(TRY(sys::open(blob, O_RDONLY)))));
  if (!pass) return fail(EBADMSG, "{}", pass.error().message());
  auto file = TRY(sys::NewFile::make(path, 0600));
  Sha256 hash;
  std::uint64_t size = 0;
  std::vector<std::byte> buffer(1 << 20);
  for (;;) {
    const auto got = pass->read(buffer);
    if (!got) return fail(EBADMSG, "{}", got.error().message());
    if (*got == 0) break;
    size += *got;
    if (size > layer.size) return fail(EBADMSG, "it is larger than is said");
    hash.update(std::span(buffer).first(*got));
    TRY(sys::write_full(file.ref(), std::span<const std::byte>(buffer).first(*got)));
  }
  if (size != layer.size) return fail(EBADMSG, "it is smaller than is said");
  if (hash.finish() != layer.diff_id) return fail(EBADMSG, "it is not what its name says");
  return file.commit();
}

// The blob's path in the layout.
Result<std::string> fetch(registry::Repository& repository, const Descriptor& blob, image::Layout& layout) {
  const auto writer = TRY(layout.new_blob(blob));
  TRY(registry::download_blob(repository, blob, *writer));
  return layout.blob_path(TRY(writer->commit(blob.media_type)).digest);
}

Result<void> take_layer(registry::Repository& repository, const Artifact& artifact, image::Layout& layout, const CachedLayer& layer, Cache& cache) {
  const auto blob = artifact.layers.find(layer.diff_id);
  if (blob == artifact.layers.end()) return fail(EBADMSG, "the layer {} is not in it", layer.diff_id.str());
  const auto packed = fetch(repository, blob->second, layout);
  if (!packed) return fail(is_about_the_blob(packed.error()) ? EBADMSG : packed.error().code(), "the layer {}: {}", layer.diff_id.str(), packed.error().message());
  TRY_WITHIN(unpack(*packed, cache.layer_path(layer.diff_id), layer), "the layer {}", layer.diff_id.str());
  TRY(sys::unlink({kWorkingDir, packed->c_str()}));
  // As what it is, not as what somebody called it: it may be handed on.
  Descriptor known = blob->second;
  known.media_type = std::string(image::kOciLayerZstd);
  return cache.set_packed(layer.diff_id, kPackedHow, known);
}

Result<Imported> import_artifact(registry::Repository& repository, const image::Reference& name, Cache& cache, const sandbox::Scratch& scratch) {
  const auto manifest = TRY(repository.manifest(name.digest ? name.digest->str() : name.tag));
  const Artifact artifact = TRY(parse_artifact(manifest.bytes, name.familiar()));
  if (artifact.index.size > kMostCacheIndex) return fail(EBADMSG, "the index of {} is too large to be one", name.familiar());
  const auto layout = TRY(image::Layout::open(scratch / "layout"));
  const std::string text = TRY(sys::read_file(TRY(fetch(repository, artifact.index, *layout)), kMostCacheIndex));
  return import_index(cache, text, name.familiar(), [&](const CachedLayer& layer) { return take_layer(repository, artifact, *layout, layer, cache); });
}

}  // namespace

Result<void> push_cache(Cache& cache, const std::set<Digest>& keys, const std::string& text, const std::string& scratch_base) {
  const image::Reference name = TRY(image::parse_reference(text));
  const auto all = TRY(registry::Remotes::of_this_process());
  auto repository = TRY(all->to_push(name));
  const auto scratch = TRY(sandbox::Scratch::make(scratch_base));
  const auto before = repository.manifest(name.tag);
  if (before) TRY(refuse_others(before->bytes, name.familiar()));
  if (!before && !before.error().is(ENOENT)) return before.error().clone();
  const CacheIndex index = TRY(index_of(cache, keys));
  Json layers = Json::array();
  for (const CachedLayer& layer : index.layers) {
    auto blob = TRY(cache.packed(layer.diff_id, kPackedHow));
    if (!blob || !TRY(registry::has_blob(repository, *blob))) {
      blob = TRY(send_layer(repository, cache.layer_path(layer.diff_id), scratch / "layer"));
      TRY(cache.set_packed(layer.diff_id, kPackedHow, *blob));
    }
    Json entry = to_json(*blob);
    entry["annotations"] = {{kDiffId, layer.diff_id.str()}};
    layers.push_back(std::move(entry));
  }
  const Descriptor config{.media_type = kCacheType, .digest = Digest::of(index.text), .size = index.text.size()};
  TRY(registry::upload_blob(repository, config, registry::Body::text(index.text), {}));
  const std::string document = image::write_json({{"schemaVersion", 2},
                                                  {"mediaType", image::kOciManifest},
                                                  {"artifactType", kCacheType},
                                                  {"config", to_json(config)},
                                                  {"layers", std::move(layers)}});
  return repository.put_manifest(
      name.tag, {.media_type = std::string(image::kOciManifest), .digest = Digest::of(document), .size = document.size()}, document);
}

Result<Imported> pull_cache(Cache& cache, const std::string& text, const std::string& scratch_base) {
  const image::Reference name = TRY(image::parse_reference(text));
  const auto all = TRY(registry::Remotes::of_this_process());
  const auto scratch = TRY(sandbox::Scratch::make(scratch_base));
  Imported imported;
  TRY(all->pull_from_first(name, [&](registry::Repository& repository) -> Result<void> {
    imported = TRY(import_artifact(repository, name, cache, scratch));
    return {};
  }));
  return imported;
}

}  // namespace acetate::build
