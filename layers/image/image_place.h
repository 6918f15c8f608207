// Where an image comes from or goes to, as people write it: containers-transports(5), and a plain name for our own
// store.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "layers/image/image_copy.h"

namespace acetate::image {

enum class PlaceKind { store, registry, oci, oci_archive, docker_archive, dir };

struct ImagePlace {
  PlaceKind kind = PlaceKind::store;
  std::string where;                      // a name for store and registry, else a path
  std::optional<std::string> name = {};   // of the image in an archive or layout
};

// docker://NAME, oci:DIR[:NAME], oci-archive:FILE[:NAME], docker-archive:FILE[:NAME], dir:DIR; any other text is a
// name in the store. For a path that is not there yet the part behind the first ':' is the name, as skopeo has it.
// ENOTSUP with words for transports nobody here reads (docker-daemon:, containers-storage:).
Result<ImagePlace> parse_image_place(const std::string& text);
std::string format_image_place(const ImagePlace& place);

// As policies and people name it: "docker", "oci-archive"; "" for the store, which is none.
std::string_view transport_of(PlaceKind kind);

// Something that was opened to be read: files, and the images in them.
struct ImageSource {
  PlaceKind kind = PlaceKind::oci;
  std::unique_ptr<ImageFiles> files;
  std::vector<NamedImage> images;
  // A docker-archive without manifests: copy_docker_archive() reads it, and `images` is empty.
  bool is_docker = false;
};

// A directory or an uncompressed archive, recognised by what is in it; `kind` says what it must be, PlaceKind::store
// that it may be any. With `name` only the image of that name, digest or "@N"; ENOENT with words that say what there is.
Result<ImageSource> open_image_source(const std::string& path, PlaceKind kind, const std::optional<std::string>& name);

}  // namespace acetate::image
