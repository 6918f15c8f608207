// Reading what `docker save`, `podman save` and skopeo write: manifest.json, a config and layers by name.
//
// Facts: the format has no specification; github.com/moby/moby/tree/master/image/spec describes it. Layers
// are plain tarballs in all of them, compressed ones in those of kaniko and crane; a layer that occurs twice
// may be a link to the first.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "layers/image/image.h"
#include "layers/image/image_files.h"

namespace acetate::image {

// One image of manifest.json: the names of its files in the archive, and its RepoTags.
struct DockerItem {
  std::string config;
  std::vector<std::string> tags;
  std::vector<std::string> layers;  // bottom first
};
Result<std::vector<DockerItem>> read_docker_items(const ImageFiles& files);
// The one that is meant; several that could be are EINVAL with words. `reference` as below.
Result<DockerItem> choose_docker_item(const ImageFiles& files, std::vector<DockerItem> items,
                                      const std::optional<std::string>& reference);
// The text of an image's config, verified where its name tells its digest.
Result<std::string> read_docker_config(const ImageFiles& files, const DockerItem& item);
// Where a layer lies, and what it is.
Result<Layer> locate_docker_layer(const ImageFiles& files, const std::string& name, const Digest& diff_id);

// `reference`: one of the RepoTags, "@N" for the N-th image from 0, or nothing when there is one.
Result<Image> read_docker_archive(const ImageFiles& files, const std::optional<std::string>& reference,
                                  const Platform& platform);

}  // namespace acetate::image
