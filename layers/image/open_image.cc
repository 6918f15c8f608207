// open_image() and image_from_layers(): from what a person typed to layers in place.
#include <fcntl.h>

#include <algorithm>

#include "base/sys/file.h"
#include "layers/image/config.h"
#include "layers/image/docker_archive.h"
#include "layers/image/image.h"
#include "layers/image/oci_image.h"
#include "layers/image/recognise.h"
#include "layers/image/path_reference.h"

namespace acetate::image {

namespace {

// The daemon reads layers from another working directory, so paths are made absolute here, symlinks resolved.
Result<std::string> absolute(const std::string& path) {
  const Fd fd = TRY(sys::open(path, O_PATH));
  return sys::readlink(FileAt{kWorkingDir, sys::ProcFdPath(fd.ref()).c_str()});
}

Result<Layer> plain_layer(LayerSpec spec) {
  const auto st = TRY_WITHIN(sys::stat_following(spec.path), "looking at {}", spec.path);
  spec.path = TRY_WITHIN(absolute(spec.path), "looking at {}", spec.path);
  Layer layer{.spec = std::move(spec)};
  layer.digest = layer.spec.digest;
  const auto size = static_cast<std::uint64_t>(st.st_size);
  if (S_ISREG(st.st_mode)) layer.size = layer.spec.length.value_or(size - std::min(size, layer.spec.offset));
  return layer;
}

Result<Image> open_found(const PathReference& reference, const Platform& platform) {
  const auto path = TRY(absolute(reference.path));
  switch (reference.transport) {
    case Transport::oci:
      return read_oci_image(*TRY(directory_files(path)), reference.image, platform);
    case Transport::oci_archive:
      return read_oci_image(*TRY(archive_files(path)), reference.image, platform);
    case Transport::docker_archive:
      return read_docker_archive(*TRY(archive_files(path)), reference.image, platform);
    case Transport::any:
      break;
  }
  switch (TRY(recognise(path))) {
    case Kind::oci_layout:
      return read_oci_image(*TRY(directory_files(path)), reference.image, platform);
    case Kind::oci_archive:
      return read_oci_image(*TRY(archive_files(path)), reference.image, platform);
    case Kind::docker_archive:
      return read_docker_archive(*TRY(archive_files(path)), reference.image, platform);
    case Kind::tarball:
    case Kind::directory:
      break;
  }
  if (reference.image)
    return fail(EINVAL, "{} is a root filesystem and not an image, so there is no \"{}\" in it",
                reference.path, *reference.image);
  Image image;
  image.config = empty_config(platform);
  image.layers.push_back(TRY(plain_layer({.path = path})));
  return image;
}

Result<bool> exists(const std::string& path) {
  const auto st = sys::stat_following(path);
  if (st) return true;
  if (st.error().is(ENOENT) || st.error().is(ENOTDIR) || st.error().is(ENAMETOOLONG)) return false;
  return st.error().clone().within(fmt::format("looking at {}", path));
}

}  // namespace

Result<Image> open_image(const std::string& text, const Platform& platform) {
  for (const auto& reference : TRY(path_references(text))) {
    if (!TRY(exists(reference.path))) continue;
    Image image = TRY(open_found(reference, platform));
    image.name = text;
    return image;
  }
  return fail(ENOENT, "there is no image \"{}\": No such file or directory", text);
}

Result<Image> image_from_layers(const std::vector<std::string>& bottom_to_top) {
  Image image;
  image.config = empty_config(host_platform());
  for (const auto& element : bottom_to_top) {
    auto spec = TRY(parse_layer_spec(element));
    const bool is_part = spec.offset != 0 || spec.length;
    if (!is_part) {
      const auto kind = recognise(spec.path);
      if (!kind && kind.error().is(ENOENT))
        return fail(ENOENT, "there is no layer \"{}\": No such file or directory", spec.path);
      if (!kind) return kind.error().clone();
      if (*kind != Kind::tarball && *kind != Kind::directory)
        return fail(EINVAL,
                    "{} is an image; only plain tarballs and directories can be laid over one another",
                    spec.path);
    }
    image.layers.push_back(TRY(plain_layer(std::move(spec))));
    image.name += (image.name.empty() ? "" : " ") + element;
  }
  return image;
}

std::vector<std::string> Image::lowers() const {
  std::vector<std::string> out;
  for (auto layer = layers.rbegin(); layer != layers.rend(); ++layer)
    out.push_back(format_layer_spec(layer->spec));
  return out;
}

}  // namespace acetate::image
