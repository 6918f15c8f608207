// Reading what `docker save`, `podman save` and skopeo write: manifest.json, a config and layers by name.
//
// Facts: the format has no specification; github.com/moby/moby/tree/master/image/spec describes it. Layers
// are plain tarballs in all of them, compressed ones in those of kaniko and crane; a layer that occurs twice
// may be a link to the first.
#pragma once

#include <optional>
#include <string>

#include "layers/image/image.h"
#include "layers/image/image_files.h"

namespace acetate::image {

// `reference`: one of the RepoTags, "@N" for the N-th image from 0, or nothing when there is one.
Result<Image> read_docker_archive(const ImageFiles& files, const std::optional<std::string>& reference,
                                  const Platform& platform);

}  // namespace acetate::image
