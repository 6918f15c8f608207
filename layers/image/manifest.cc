#include "layers/image/manifest.h"

#include "layers/image/json.h"
#include "layers/image/media_type.h"

namespace acetate::image {

namespace {

constexpr const char* kEstargzToc = "containerd.io/snapshot/stargz/toc.digest";

// eStargz, and zstd:chunked in both generations. Where it is no digest, the table is not believed.
std::optional<Digest> toc_of(const std::map<std::string, std::string>& annotations) {
  for (const char* key : {kEstargzToc, "io.github.containers.zstd-chunked.manifest-checksum",
                          "io.containers.zstd-chunked.manifest-checksum"}) {
    const auto found = annotations.find(key);
    if (found == annotations.end()) continue;
    if (auto digest = Digest::parse(found->second)) return *std::move(digest);
  }
  return std::nullopt;
}

Result<Descriptor> read_descriptor(const ObjectReader& from) {
  Descriptor descriptor;
  descriptor.media_type = TRY(from.string("mediaType"));
  descriptor.digest = TRY(from.digest("digest"));
  descriptor.size = TRY(from.size("size"));
  // Annotations that are none of ours are no reason to refuse an image.
  if (const auto annotations = from.string_map("annotations")) descriptor.toc = toc_of(*annotations);
  return descriptor;
}

Result<std::optional<Platform>> read_platform(const ObjectReader& from) {
  const Json* value = from.get("platform");
  if (value == nullptr) return std::optional<Platform>();
  const std::string what = fmt::format("{}: platform", from.what());
  const auto reader = TRY(ObjectReader::make(*value, what));
  Platform platform;
  platform.os = TRY(reader.string("os"));
  platform.architecture = TRY(reader.string("architecture"));
  platform.variant = TRY(reader.string("variant"));
  platform.os_version = TRY(reader.string("os.version"));
  return std::optional(std::move(platform));
}

enum class Accept { images, artifacts_too };

Result<Manifest> read_manifest(const ObjectReader& from, Accept accept) {
  const Json* config = from.get("config");
  const Json* layers = TRY(from.list("layers"));
  if (config == nullptr || layers == nullptr)
    return fail(EINVAL, "{} is neither an image manifest nor an index of them", from.what());
  const std::string config_name = fmt::format("{}: config", from.what());
  const auto config_reader = TRY(ObjectReader::make(*config, config_name));
  Manifest manifest;
  manifest.artifact_type = TRY(from.string("artifactType"));
  // An artifact may use any media type here, also one whose digest no longer matters: say what it is first.
  const auto config_type = TRY(config_reader.string("mediaType"));
  if (manifest.artifact_type.empty() && !is_config_type(config_type)) manifest.artifact_type = config_type;
  if (accept == Accept::images && !manifest.artifact_type.empty())
    return fail(ENOTSUP, "{} is an artifact of type \"{}\" and not an image", from.what(),
                manifest.artifact_type);
  manifest.config = TRY(read_descriptor(config_reader));
  const std::string layer_name = fmt::format("{}: layers", from.what());
  for (const auto& each : *layers)
    manifest.layers.push_back(TRY(read_descriptor(TRY(ObjectReader::make(each, layer_name)))));
  manifest.annotations = TRY(from.string_map("annotations"));
  return manifest;
}

Result<Index> read_index(const ObjectReader& from) {
  Index index;
  const Json* list = TRY(from.list("manifests"));
  if (list == nullptr) return fail(EINVAL, "{} has no list \"manifests\"", from.what());
  const std::string what = fmt::format("{}: manifests", from.what());
  for (const auto& each : *list) {
    const auto entry = TRY(ObjectReader::make(each, what));
    auto& read = index.entries.emplace_back();
    read.descriptor = TRY(read_descriptor(entry));
    read.platform = TRY(read_platform(entry));
    read.annotations = TRY(entry.string_map("annotations"));
    read.artifact_type = TRY(entry.string("artifactType"));
  }
  return index;
}

Json descriptor_json(const Descriptor& descriptor) {
  return {
      {"mediaType", descriptor.media_type}, {"digest", descriptor.digest.str()}, {"size", descriptor.size}};
}

Json platform_json(const Platform& platform) {
  Json value{{"os", platform.os}, {"architecture", platform.architecture}};
  if (!platform.variant.empty()) value["variant"] = platform.variant;
  if (!platform.os_version.empty()) value["os.version"] = platform.os_version;
  return value;
}

Result<Document> parse(std::string_view json, std::string_view announced, std::string_view what, Accept accept) {
  const Json value = TRY(parse_json(json, what));
  const auto reader = TRY(ObjectReader::make(value, what));
  const Json* version = reader.get("schemaVersion");
  if (reader.has("fsLayers") || (version != nullptr && *version == 1))
    return fail(ENOTSUP, "{} is of schema 1, which is gone; convert the image with skopeo copy --format v2s2",
                what);
  const auto stated = TRY(reader.string("mediaType"));
  if (!stated.empty() && !announced.empty() && stated != announced)
    return fail(EINVAL, "{} says that it is {} and was announced as {}", what, stated, announced);
  const std::string_view type = stated.empty() ? announced : std::string_view(stated);
  const bool index_like = reader.has("manifests");
  const bool manifest_like = reader.has("config") || reader.has("layers");
  // One digest must never mean two things to two readers.
  if ((index_like && (manifest_like || is_manifest_type(type))) || (manifest_like && is_index_type(type)))
    return fail(EINVAL, "{} could be read as an image manifest and as an index", what);
  Document document;
  document.media_type = stated;
  if (index_like)
    document.index = TRY(read_index(reader));
  else
    document.manifest = TRY(read_manifest(reader, accept));
  return document;
}

}  // namespace

Result<Document> parse_document(std::string_view json, std::string_view announced, std::string_view what) {
  return parse(json, announced, what, Accept::images);
}

Result<Document> parse_any_document(std::string_view json, std::string_view announced, std::string_view what) {
  return parse(json, announced, what, Accept::artifacts_too);
}

Result<Index> parse_index(std::string_view json, std::string_view what) {
  auto document = TRY(parse_document(json, {}, what));
  if (!document.index) return fail(EINVAL, "{} has no list \"manifests\"", what);
  return std::move(*document.index);
}

std::string to_json(const Manifest& manifest) {
  Json value{{"schemaVersion", 2}, {"mediaType", kOciManifest}, {"config", descriptor_json(manifest.config)}};
  value["layers"] = Json::array();
  for (const auto& layer : manifest.layers) {
    Json one = descriptor_json(layer);
    auto annotations = layer.annotations;
    // Of zstd:chunked it would be half of what its readers want.
    if (layer.toc && layer.media_type == kOciLayerGzip) annotations[kEstargzToc] = layer.toc->str();
    if (!annotations.empty()) one["annotations"] = annotations;
    value["layers"].push_back(std::move(one));
  }
  if (!manifest.annotations.empty()) value["annotations"] = manifest.annotations;
  if (!manifest.artifact_type.empty()) value["artifactType"] = manifest.artifact_type;
  return write_json(value);
}

std::string to_json(const Index& index) {
  Json value{{"schemaVersion", 2}, {"mediaType", kOciIndex}};
  value["manifests"] = Json::array();
  for (const auto& entry : index.entries) {
    Json one = descriptor_json(entry.descriptor);
    if (entry.platform) one["platform"] = platform_json(*entry.platform);
    if (!entry.annotations.empty()) one["annotations"] = entry.annotations;
    if (!entry.artifact_type.empty()) one["artifactType"] = entry.artifact_type;
    value["manifests"].push_back(std::move(one));
  }
  return write_json(value);
}

}  // namespace acetate::image
