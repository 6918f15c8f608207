// Images on their way from one place to another: into a layout from whatever holds them.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "layers/image/image_files.h"
#include "layers/image/image_store.h"
#include "layers/image/layout.h"

namespace acetate::image {

// One image of an archive or layout, and what it is called there.
struct NamedImage {
  Descriptor target;
  std::vector<std::string> names = {};
};

// The images an index.json lists, artifacts too; one with several names comes once.
std::vector<NamedImage> images_in(const Index& index);

// What to do before a blob is copied: true when it need not be.
using HasBlob = std::function<Result<bool>(const Descriptor&)>;

// Copies every blob below `target`, verified, documents after what they point at, byte for byte: an index stays
// whole, as far as it is there. Blobs that `has` knows are not read. `to` names nothing yet.
Result<void> copy_image(const ImageFiles& from, const Descriptor& target, Layout& to, const HasBlob& has);
// With Layout::has_blob(), and ImageStore::bring() for a store.
Result<void> copy_image(const ImageFiles& from, const Descriptor& target, Layout& to);
Result<void> copy_image(const ImageFiles& from, const Descriptor& target, ImageStore& to);

// The manifest for a platform alone, without the index above it.
Result<Descriptor> manifest_for(const ImageFiles& from, const Descriptor& target, const Platform& platform);

// A docker-archive, which has no manifests of its own: its layers and configs are put in as they are and an OCI
// manifest is made for each image. `reference` as in read_docker_archive(); nothing means every image. Digests of
// layers and config are verified against what the archive says of them.
Result<std::vector<NamedImage>> copy_docker_archive(const ImageFiles& from, Layout& to,
                                                    const std::optional<std::string>& reference);

}  // namespace acetate::image
