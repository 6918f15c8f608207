// Reading an OCI image layout (image-spec image-layout.md), in a directory or an archive.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "layers/image/image.h"
#include "layers/image/image_files.h"
#include "layers/image/manifest.h"

namespace acetate::image {

// `reference`: a tag (org.opencontainers.image.ref.name or the full name that docker and containerd note), a
// digest of a manifest or index, or nothing when the layout holds one image. Errors as open_image().
Result<Image> read_oci_image(const ImageFiles& files, const std::optional<std::string>& reference,
                             const Platform& platform);

// The best image for the platform among some entries of an index.
Result<Image> read_oci_image(const ImageFiles& files, const std::vector<IndexEntry>& entries,
                             const Platform& platform);

// index.json, after a look at the layout's version.
Result<Index> read_layout_index(const ImageFiles& files);

// "alpine", "alpine:latest" and "docker.io/library/alpine:latest" are one name.
bool same_image_name(const std::string& a, const std::string& b);

}  // namespace acetate::image
