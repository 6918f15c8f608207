#include "layers/image/image_place.h"

#include <fcntl.h>

#include "base/sys/file.h"
#include "layers/image/dir_image.h"
#include "layers/image/oci_choice.h"
#include "layers/image/oci_image.h"
#include "layers/image/recognise.h"

namespace acetate::image {

namespace {

struct Transport {
  std::string_view prefix;
  PlaceKind kind;
};
constexpr Transport kTransports[] = {{"docker://", PlaceKind::registry},
                                     {"oci:", PlaceKind::oci},
                                     {"oci-archive:", PlaceKind::oci_archive},
                                     {"docker-archive:", PlaceKind::docker_archive},
                                     {"dir:", PlaceKind::dir}};

// "PATH[:NAME]": the longest path that is there; else up to the first ':'.
void split_path(std::string_view rest, ImagePlace& place) {
  for (auto colon = rest.size(); colon != rest.npos && colon > 0; colon = rest.rfind(':', colon - 1)) {
    if (!sys::stat_following(std::string(rest.substr(0, colon)))) continue;
    place.where = rest.substr(0, colon);
    if (colon < rest.size()) place.name = std::string(rest.substr(colon + 1));
    return;
  }
  const auto colon = rest.find(':');
  place.where = rest.substr(0, colon);
  if (colon != rest.npos) place.name = std::string(rest.substr(colon + 1));
}

Result<std::string> absolute(const std::string& path) {
  const Fd fd = TRY_WITHIN(sys::open(path, O_PATH), "opening {}", path);
  return sys::readlink(FileAt{kWorkingDir, sys::ProcFdPath(fd.ref()).c_str()});
}

// A directory in the form "dir" is told by its version file; recognise() knows the rest.
Result<PlaceKind> kind_of(const std::string& path) {
  if (sys::stat_following(path + "/version") && sys::stat_following(path + "/manifest.json")) return PlaceKind::dir;
  switch (TRY(recognise(path))) {
    case Kind::oci_layout: return PlaceKind::oci;
    case Kind::oci_archive: return PlaceKind::oci_archive;
    case Kind::docker_archive: return PlaceKind::docker_archive;
    case Kind::tarball:
    case Kind::directory: break;
  }
  return fail(EINVAL, "{} is neither an image archive nor an image layout; a root file system is mounted as it is, or made "
                      "an image with FROM scratch and ADD", path);
}

Result<ImageSource> open_layout(std::unique_ptr<ImageFiles> files, const std::optional<std::string>& name) {
  ImageSource source{.files = std::move(files)};
  const auto index = TRY(read_layout_index(*source.files));
  source.images = images_in(index);
  if (!name) return source;
  Index found{.entries = TRY(find_entries(*source.files, index, name))};
  source.images = images_in(found);
  return source;
}

Result<ImageSource> open_as(PlaceKind kind, const std::string& path, const std::optional<std::string>& name) {
  switch (kind) {
    case PlaceKind::oci:
      return open_layout(TRY(directory_files(path)), name);
    case PlaceKind::oci_archive:
      return open_layout(TRY(archive_files(path)), name);
    case PlaceKind::docker_archive: {
      auto files = TRY(archive_files(path));
      // What docker has written since version 25 is a layout, too, and has manifests.
      if (files->locate("oci-layout") && files->locate("index.json")) return open_layout(std::move(files), name);
      return ImageSource{.files = std::move(files), .is_docker = true};
    }
    case PlaceKind::dir: {
      ImageSource source{.files = TRY(dir_image_files(path))};
      source.images.push_back({.target = TRY(dir_image_target(path))});
      return source;
    }
    case PlaceKind::store:
    case PlaceKind::registry:
      break;
  }
  return fail(EINVAL, "{} names no file", path);
}

}  // namespace

Result<ImagePlace> parse_image_place(const std::string& text) {
  for (const auto& transport : kTransports) {
    if (!text.starts_with(transport.prefix)) continue;
    ImagePlace place{.kind = transport.kind};
    const auto rest = std::string_view(text).substr(transport.prefix.size());
    if (rest.empty()) return fail(EINVAL, "\"{}\" names no image", text);
    if (place.kind == PlaceKind::registry || place.kind == PlaceKind::dir)
      place.where = rest;
    else
      split_path(rest, place);
    if (place.name && place.name->empty()) return fail(EINVAL, "\"{}\" ends with an empty name", text);
    return place;
  }
  for (const char* foreign : {"docker-daemon:", "containers-storage:", "ostree:", "sif:", "tarball:"})
    if (text.starts_with(foreign))
      return fail(ENOTSUP, "{} is not read here; copy it to a file first: skopeo copy {} oci-archive:image.tar", foreign, text);
  return ImagePlace{.kind = PlaceKind::store, .where = text};
}

std::string format_image_place(const ImagePlace& place) {
  std::string out;
  for (const auto& transport : kTransports)
    if (transport.kind == place.kind) out = transport.prefix;
  out += place.where;
  if (place.name) out += ":" + *place.name;
  return out;
}

std::string_view transport_of(PlaceKind kind) {
  for (const auto& transport : kTransports)
    if (transport.kind == kind) return transport.prefix.substr(0, transport.prefix.find(':'));
  return {};
}

Result<ImageSource> open_image_source(const std::string& typed, PlaceKind kind, const std::optional<std::string>& name) {
  const auto path = TRY(absolute(typed));
  if (kind == PlaceKind::store) kind = TRY(kind_of(path));
  auto source = TRY(open_as(kind, path, name));
  source.kind = kind;
  return source;
}

}  // namespace acetate::image
