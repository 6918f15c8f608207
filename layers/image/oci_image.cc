#include "layers/image/oci_image.h"

#include "layers/image/config.h"
#include "layers/image/json.h"
#include "layers/image/media_type.h"
#include "layers/image/oci_choice.h"
#include "layers/image/platform.h"
#include "layers/image/reference.h"

namespace acetate::image {

namespace {

Result<void> check_version(const ImageFiles& files) {
  auto text = read_document(files, "oci-layout");
  if (!text && text.error().is(ENOENT))
    return fail(ENOENT, "{} is not an OCI image layout: it has no file oci-layout", files.where());
  if (!text) return std::move(text).error();
  const std::string what = fmt::format("oci-layout in {}", files.where());
  const Json document = TRY(parse_json(*text, what));
  const auto version = TRY(TRY(ObjectReader::make(document, what)).string("imageLayoutVersion"));
  if (!version.starts_with("1."))
    return fail(ENOTSUP, "{} is an OCI image layout of version \"{}\", and only 1.x is known", files.where(),
                version);
  return {};
}

Result<std::vector<Layer>> locate_layers(const ImageFiles& files, const Manifest& manifest) {
  std::vector<Layer> layers;
  for (const auto& descriptor : manifest.layers) {
    TRY_WITHIN(check_layer_type(descriptor.media_type), "{}", files.where());
    auto spec = TRY(locate_blob(files, descriptor));
    spec.toc = descriptor.toc;
    layers.push_back({.spec = std::move(spec),
                      .digest = descriptor.digest,
                      .media_type = descriptor.media_type,
                      .size = descriptor.size});
  }
  return layers;
}

}  // namespace

bool same_image_name(const std::string& a, const std::string& b) {
  if (a == b) return true;
  const auto left = parse_reference(a), right = parse_reference(b);
  return left && right && *left == *right;
}

Result<Index> read_layout_index(const ImageFiles& files) {
  TRY(check_version(files));
  auto text = read_document(files, "index.json");
  if (!text && text.error().is(ENOENT)) return fail(ENOENT, "{} has no index.json", files.where());
  if (!text) return std::move(text).error();
  return parse_index(*text, fmt::format("index.json in {}", files.where()));
}

Result<Image> read_oci_image(const ImageFiles& files, const std::optional<std::string>& reference,
                             const Platform& platform) {
  const auto top = TRY(read_layout_index(files));
  return read_oci_image(files, TRY(find_entries(files, top, reference)), platform);
}

Result<Image> read_oci_image(const ImageFiles& files, const std::vector<IndexEntry>& entries,
                             const Platform& platform) {
  const auto chosen = TRY(choose_manifest(files, entries, platform));
  const auto text = TRY(read_blob(files, chosen.manifest.config));
  const auto what =
      fmt::format("the image config {} in {}", chosen.manifest.config.digest.str(), files.where());

  Image image;
  image.config = TRY(parse_config(text, what));
  image.manifest_digest = chosen.descriptor.digest;
  image.id = chosen.manifest.config.digest;
  if (!chosen.platform_was_matched && !image.config.platform.architecture.empty() &&
      !platform_rank(platform, image.config.platform))
    return fail(ENOENT, "{} has no image for {}; it has {}", files.where(), format_platform(platform),
                format_platform(image.config.platform));
  if (image.config.diff_ids.size() != chosen.manifest.layers.size())
    return fail(EINVAL, "the manifest in {} has {} layers and its config speaks of {}", files.where(),
                chosen.manifest.layers.size(), image.config.diff_ids.size());
  image.layers = TRY(locate_layers(files, chosen.manifest));
  return image;
}

}  // namespace acetate::image
