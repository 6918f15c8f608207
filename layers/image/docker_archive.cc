#include "layers/image/docker_archive.h"

#include <algorithm>

#include "base/number.h"
#include "layers/image/config.h"
#include "layers/image/json.h"
#include "layers/image/media_type.h"
#include "layers/image/oci_image.h"
#include "layers/image/platform.h"

namespace acetate::image {

Result<std::vector<DockerItem>> read_docker_items(const ImageFiles& files) {
  auto text = read_document(files, "manifest.json");
  if (!text && text.error().is(ENOENT)) {
    if (files.locate("repositories"))
      return fail(ENOTSUP,
                  "{} is an archive of docker before 1.10, without manifest.json; load and save it again",
                  files.where());
    return fail(ENOENT, "{} is not a docker archive: it has no manifest.json", files.where());
  }
  if (!text) return std::move(text).error();
  const std::string what = fmt::format("manifest.json in {}", files.where());
  const Json document = TRY(parse_json(*text, what));
  if (!document.is_array()) return fail(EINVAL, "{} is not a list of images", what);
  std::vector<DockerItem> items;
  for (const auto& each : document) {
    const auto reader = TRY(ObjectReader::make(each, what));
    DockerItem& item = items.emplace_back();
    item.config = TRY(reader.string("Config"));
    item.tags = TRY(reader.strings("RepoTags"));
    item.layers = TRY(reader.strings("Layers"));
  }
  if (items.empty()) return fail(ENOENT, "{} holds no image", files.where());
  return items;
}

namespace {

std::string names_of(const std::vector<DockerItem>& items) {
  std::string out;
  for (std::size_t i = 0; i < items.size(); ++i) {
    if (items[i].tags.empty()) out += fmt::format("{}@{}", out.empty() ? "" : ", ", i);
    for (const auto& tag : items[i].tags) out += (out.empty() ? "" : ", ") + tag;
  }
  return out;
}

}  // namespace

Result<DockerItem> choose_docker_item(const ImageFiles& files, std::vector<DockerItem> items,
                                      const std::optional<std::string>& reference) {
  if (!reference) {
    if (items.size() == 1) return std::move(items[0]);
    return fail(EINVAL, "{} holds {} images, name one of: {}", files.where(), items.size(), names_of(items));
  }
  if (reference->starts_with('@')) {
    const auto number = number_of<std::size_t>(std::string_view(*reference).substr(1));
    if (number && *number < items.size()) return std::move(items[*number]);
  }
  for (auto& item : items)
    if (std::ranges::any_of(item.tags, [&](const auto& tag) { return same_image_name(tag, *reference); }))
      return std::move(item);
  return fail(ENOENT, "{} holds no image named \"{}\"; it holds {}", files.where(), *reference,
              names_of(items));
}

namespace {

// The digest in names like "blobs/sha256/<hex>", "<hex>.json" and "sha256:<hex>", by which writers of
// archives name a file after its content.
std::optional<Digest> digest_in_name(std::string_view name) {
  if (const auto digest = digest_of_blob_name(name)) return digest;
  if (name.ends_with(".json")) name.remove_suffix(5);
  if (const auto digest = Digest::parse(name)) return *digest;
  return Digest::from_hex(name);
}

}  // namespace

Result<std::string> read_docker_config(const ImageFiles& files, const DockerItem& item) {
  const auto& name = item.config;
  auto text = read_document(files, name);
  if (!text && text.error().is(ENOENT))
    return fail(ENOENT,
                "{} has no file \"{}\", which should be the image's config; the archive is incomplete",
                files.where(), name);
  if (!text) return std::move(text).error();
  const auto named = digest_in_name(name);
  if (const auto found = Digest::of(*text, named ? named->algorithm() : Digest::Algorithm::sha256); named && *named != found)
    return fail(EBADMSG, "the config {} in {} is damaged or not what it says: its digest is {}", name,
                files.where(), found.str());
  return text;
}

Result<Layer> locate_docker_layer(const ImageFiles& files, const std::string& name, const Digest& diff_id) {
  auto spec = files.locate(name);
  if (!spec && spec.error().is(ENOENT))
    return fail(ENOENT, "{} has no file \"{}\", which should be a layer; the archive is incomplete",
                files.where(), name);
  if (!spec) return std::move(spec).error();
  const auto compression = TRY(compression_at(*spec));
  Layer layer{.spec = *std::move(spec), .media_type = std::string(kOciLayer)};
  layer.size = *layer.spec.length;
  if (compression.empty()) {
    layer.digest = diff_id;  // which is of the uncompressed tarball, and that is what lies here
  } else if (compression == "gzip" || compression == "zstd") {
    layer.media_type += "+" + compression;
    layer.digest = digest_of_blob_name(name);
  } else {
    return fail(ENOTSUP, "the layer {} in {} is compressed with {}, which no image layer is", name,
                files.where(), compression);
  }
  layer.spec.digest = layer.digest;
  return layer;
}

Result<Image> read_docker_archive(const ImageFiles& files, const std::optional<std::string>& reference,
                                  const Platform& platform) {
  const DockerItem item = TRY(choose_docker_item(files, TRY(read_docker_items(files)), reference));
  Image image;
  image.config = TRY(parse_config(TRY(read_docker_config(files, item)),
                                  fmt::format("the image config {} in {}", item.config, files.where())));
  if (!image.config.platform.architecture.empty() && !platform_rank(platform, image.config.platform))
    return fail(ENOENT, "{} has no image for {}; it has {}", files.where(), format_platform(platform),
                format_platform(image.config.platform));
  const auto& diff_ids = image.config.diff_ids;
  if (diff_ids.size() != item.layers.size())
    return fail(EINVAL, "manifest.json in {} lists {} layers and the config speaks of {}", files.where(),
                item.layers.size(), diff_ids.size());
  for (std::size_t i = 0; i < diff_ids.size(); ++i)
    image.layers.push_back(TRY(locate_docker_layer(files, item.layers[i], diff_ids[i])));
  return image;
}

}  // namespace acetate::image
