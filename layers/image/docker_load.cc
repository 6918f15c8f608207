// copy_docker_archive(): images without manifests, given some.
#include <fcntl.h>

#include <algorithm>
#include <map>

#include "base/sys/file.h"
#include "layers/image/config.h"
#include "layers/image/docker_archive.h"
#include "layers/image/image_copy.h"
#include "layers/image/manifest.h"
#include "layers/image/media_type.h"
#include "layers/stream/first_pass.h"

namespace acetate::image {

namespace {

// Layers that were put in, by their name in the archive: images share them.
using Copied = std::map<std::string, Descriptor>;

// docker load recognises an image by its config, so what the config says of a layer must be true. A plain layer is
// verified while it is copied; a compressed one is unpacked for that.
Result<void> check_diff_id(const Layer& layer, const std::string& name, const Digest& diff_id) {
  if (layer.media_type == kOciLayer) return {};
  Fd file = TRY_WITHIN(sys::open(layer.spec.path, O_RDONLY), "opening {}", layer.spec.path);
  auto pass = TRY(FirstPass::open(TRY(file_source(std::move(file), layer.spec.offset, *layer.spec.length)),
                                   {.diff_id_by = diff_id.algorithm()}));
  const auto found = TRY_WITHIN(pass.finish(), "reading the layer {}", name).diff_id;
  if (found != diff_id)
    return fail(EBADMSG, "the layer {} in {} is damaged or not what the config says: its digest is {} and not {}", name,
                layer.spec.path, found.str(), diff_id.str());
  return {};
}

Result<Descriptor> copy_layer(const ImageFiles& from, const std::string& name, const Digest& diff_id, Layout& to) {
  const Layer layer = TRY(locate_docker_layer(from, name, diff_id));
  if (layer.digest && TRY(to.has_blob(*layer.digest))) {
    Layer stored = layer;
    stored.spec = {.path = to.blob_path(*layer.digest), .offset = 0, .length = layer.size};
    // That we have it says nothing of the config: the name of a compressed layer is not what the config speaks of. Where ours is damaged,
    // what lies in the archive is verified, and mends it.
    const auto st = TRY_WITHIN(sys::stat_following(stored.spec.path), "looking at {}", stored.spec.path);
    if (static_cast<std::uint64_t>(st.st_size) == layer.size && check_diff_id(stored, name, diff_id))
      return Descriptor{.media_type = layer.media_type, .digest = *layer.digest, .size = layer.size};
  }
  TRY(check_diff_id(layer, name, diff_id));
  std::optional<Descriptor> expected;
  if (layer.digest) expected = {.media_type = layer.media_type, .digest = *layer.digest, .size = layer.size};
  const auto writer = TRY(to.new_blob(expected));
  TRY_WITHIN(copy_bytes(layer.spec, *writer), "copying the layer {} from {}", name, from.where());
  return TRY_WITHIN(writer->commit(layer.media_type), "copying the layer {} from {}", name, from.where());
}

Result<NamedImage> copy_item(const ImageFiles& from, const DockerItem& item, Layout& to, Copied& copied) {
  const auto text = TRY(read_docker_config(from, item));
  const auto config =
      TRY(parse_config(text, fmt::format("the image config {} in {}", item.config, from.where())));
  if (config.diff_ids.size() != item.layers.size())
    return fail(EINVAL, "manifest.json in {} lists {} layers and the config speaks of {}", from.where(),
                item.layers.size(), config.diff_ids.size());
  Manifest manifest;
  for (std::size_t i = 0; i < item.layers.size(); ++i) {
    // One name with another diff ID is another claim, and is verified by itself.
    const auto key = item.layers[i] + " " + config.diff_ids[i].str();
    auto known = copied.find(key);
    if (known == copied.end())
      known = copied.emplace(key, TRY(copy_layer(from, item.layers[i], config.diff_ids[i], to))).first;
    manifest.layers.push_back(known->second);
  }
  manifest.config = TRY(to.put_blob(text, std::string(kOciConfig)));
  return NamedImage{.target = TRY(to.put_blob(to_json(manifest), std::string(kOciManifest))), .names = item.tags};
}

}  // namespace

Result<std::vector<NamedImage>> copy_docker_archive(const ImageFiles& from, Layout& to,
                                                    const std::optional<std::string>& reference) {
  auto items = TRY(read_docker_items(from));
  if (reference) items = {TRY(choose_docker_item(from, std::move(items), reference))};
  std::vector<NamedImage> images;
  Copied copied;
  for (const auto& item : items) {
    auto image = TRY(copy_item(from, item, to, copied));
    const auto known = std::ranges::find(images, image.target, &NamedImage::target);
    if (known == images.end())
      images.push_back(std::move(image));
    else
      known->names.insert(known->names.end(), image.names.begin(), image.names.end());
  }
  return images;
}

}  // namespace acetate::image
