#include "builder/cache_registry.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "base/sys/file.h"
#include "base/sys/new_file.h"
#include "builder/cache_inline.h"
#include "builder/mount_share.h"
#include "builder/sandbox/scratch.h"
#include "layers/image/config.h"
#include "layers/image/json.h"
#include "layers/image/layout.h"
#include "layers/image/manifest.h"
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
constexpr const char* kMountId = "org.acetate.cache-mount";
// Under which Cache::packed() keeps the blobs that we have made or looked into. What a registry says of others is not passed on.
constexpr const char* kPackedHow = "zstd, for the cache in a registry";

// What the artifact under a name, or an image, has.
struct Artifact {
  Descriptor index;                     // or an image's configuration
  std::map<Digest, Descriptor> layers;  // by diff id
  bool is_image = false;
  std::map<Digest, Descriptor> mounts = {};  // by the digest of their ids
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
    if (const auto id = notes.find(kMountId); id != notes.end())
      artifact.mounts[TRY_WITHIN(Digest::parse(id->second), "{}", what)] = TRY(parse_descriptor(entry));
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
  if (!packed) return packed.error().clone().within(fmt::format("the layer {}", layer.diff_id.str()));
  TRY_WITHIN(unpack(*packed, cache.layer_path(layer.diff_id), layer), "the layer {}", layer.diff_id.str());
  TRY(sys::unlink({kWorkingDir, packed->c_str()}));
  if (artifact.is_image) return {};
  // As what it is, not as what somebody called it: it may be handed on.
  Descriptor known = blob->second;
  known.media_type = std::string(image::kOciLayerZstd);
  return cache.set_packed(layer.diff_id, kPackedHow, known);
}

// Takes in what is found under one name.
class Import {
 public:
  Import(registry::Repository& repository, std::string what, Cache& cache, image::Layout& layout, const WantedMounts* mounts)
      : repository_(repository), what_(std::move(what)), cache_(cache), layout_(layout), mounts_(mounts) {}

  // Of which layers may be fetched; after run().
  std::vector<Artifact> artifacts() && { return std::move(artifacts_); }

  Result<Imported> run(const std::string& tag) {
    TRY(take(tag, true));
    if (!found_) return fail(EBADMSG, "{} is an image with no build cache in it (--cache-to type=inline puts one there)", what_);
    return imported_;
  }

 private:
  Result<void> take(const std::string& tag, bool is_first) {
    const auto manifest = TRY(repository_.manifest(tag));
    const auto document = image::parse_document(manifest.bytes, manifest.descriptor.media_type, what_);
    if (document && document->manifest && image::is_config_type(document->manifest->config.media_type)) return take_image(*document->manifest);
    if (!document || !document->index || !is_first) return take_artifact(TRY(parse_artifact(manifest.bytes, what_)));
    for (const image::IndexEntry& entry : document->index->entries)
      if (!entry.platform || entry.platform->os != "unknown") TRY(take(entry.descriptor.digest.str(), false));  // no attestation
    return {};
  }

  Result<std::string> text_of(const Descriptor& blob) {
    if (blob.size > kMostCacheIndex) return fail(EBADMSG, "the index of {} is too large to be one", what_);
    return sys::read_file(TRY(fetch(repository_, blob, layout_)), kMostCacheIndex);
  }

  Result<void> take_artifact(const Artifact& artifact) {
    TRY(take_index(artifact, TRY(text_of(artifact.index))));
    if (mounts_ == nullptr) return {};
    for (const auto& [id, blob] : artifact.mounts)
      if (mounts_->is_wanted(id)) TRY_WITHIN(take_mount(id, blob), "a cache mount of {}", what_);
    return {};
  }

  Result<void> take_mount(const Digest& id, const Descriptor& blob) {
    TRY(sys::make_dirs(mounts_->dir + "/mounts", 0700));
    const std::string fetched = TRY(fetch(repository_, blob, layout_)), place = mount_path(mounts_->dir, id);
    return sys::rename({kWorkingDir, fetched.c_str()}, {kWorkingDir, place.c_str()});
  }

  Result<void> take_image(const image::Manifest& manifest) {
    const std::string config = TRY(text_of(manifest.config));
    const auto index = TRY(inline_cache_of(config, what_));
    if (!index) return {};
    Artifact artifact{.index = manifest.config, .layers = {}, .is_image = true};
    const image::Config parsed = TRY(image::parse_config(config, what_));
    for (std::size_t n = 0; n < std::min(parsed.diff_ids.size(), manifest.layers.size()); ++n) artifact.layers[parsed.diff_ids[n]] = manifest.layers[n];
    return take_index(artifact, *index);
  }

  Result<void> take_index(const Artifact& artifact, const std::string& text) {
    // What is told to be there, and is wanted, is looked for then.
    const Imported more = TRY(import_index(cache_, text, what_, [&](const CachedLayer& layer) -> Result<void> {
      if (artifact.layers.contains(layer.diff_id)) return {};
      return fail(EBADMSG, "the layer {} is not in it", layer.diff_id.str());
    }));
    artifacts_.push_back(artifact);
    found_ = true;
    imported_.records += more.records;
    if (imported_.refused == 0) imported_.first_reason = more.first_reason;
    imported_.refused += more.refused;
    return {};
  }

  registry::Repository& repository_;
  const std::string what_;
  Cache& cache_;
  image::Layout& layout_;
  const WantedMounts* const mounts_;
  Imported imported_;
  std::vector<Artifact> artifacts_;
  bool found_ = false;
};

// Gets layers of a cache that was imported, one at a time.
class LayersElsewhere {
 public:
  LayersElsewhere(image::Reference name, std::vector<Artifact> artifacts, sandbox::Scratch scratch, Cache& cache, WatchFetch watch)
      : name_(std::move(name)), artifacts_(std::move(artifacts)), scratch_(std::move(scratch)), cache_(cache), watch_(std::move(watch)) {}

  Result<void> get(const CachedLayer& layer) {
    const auto artifact = std::ranges::find_if(artifacts_, [&](const Artifact& one) { return one.layers.contains(layer.diff_id); });
    if (artifact == artifacts_.end()) return Error(ENOENT);
    return watch_(fmt::format("the cached layer {} of {}", layer.diff_id.str(), name_.familiar()), [&]() -> Result<void> {
      if (remotes_ == nullptr) remotes_ = TRY(registry::Remotes::of_this_process());
      return remotes_->pull_from_first(name_, [&](registry::Repository& repository) -> Result<void> {
        const auto layout = TRY(image::Layout::open(scratch_ / "layout"));
        return take_layer(repository, *artifact, *layout, layer, cache_);
      });
    });
  }

 private:
  const image::Reference name_;
  const std::vector<Artifact> artifacts_;
  const sandbox::Scratch scratch_;
  Cache& cache_;
  const WatchFetch watch_;
  std::unique_ptr<registry::Remotes> remotes_;
};

}  // namespace

Result<void> push_cache(Cache& cache, const std::set<Digest>& keys, const std::string& text, const std::string& scratch_base, const std::string& mounts) {
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
  if (!mounts.empty()) {
    for (const Digest& id : TRY(mounts_in(mounts))) {
      Json entry = to_json(TRY(send_layer(repository, mount_path(mounts, id), scratch / "layer")));
      entry["annotations"] = {{kMountId, id.str()}};
      layers.push_back(std::move(entry));
    }
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

Result<Imported> pull_cache(Cache& cache, const std::string& text, const std::string& scratch_base, const WatchFetch& watch, const WantedMounts* mounts) {
  const image::Reference name = TRY(image::parse_reference(text));
  const auto all = TRY(registry::Remotes::of_this_process());
  auto scratch = TRY(sandbox::Scratch::make(scratch_base));
  Imported imported;
  std::vector<Artifact> artifacts;
  TRY(all->pull_from_first(name, [&](registry::Repository& repository) -> Result<void> {
    const auto layout = TRY(image::Layout::open(scratch / "layout"));
    Import import(repository, name.familiar(), cache, *layout, mounts);
    imported = TRY(import.run(name.digest ? name.digest->str() : name.tag));
    artifacts = std::move(import).artifacts();
    return {};
  }));
  const auto elsewhere = std::make_shared<LayersElsewhere>(name, std::move(artifacts), std::move(scratch), cache, watch);
  cache.get_layers_by([elsewhere](const CachedLayer& layer) { return elsewhere->get(layer); });
  return imported;
}

}  // namespace acetate::build
