// The media types of image documents and layers, OCI's and Docker's.
#pragma once

#include <string_view>

#include "base/result.h"

namespace acetate::image {

inline constexpr std::string_view kOciManifest = "application/vnd.oci.image.manifest.v1+json";
inline constexpr std::string_view kOciIndex = "application/vnd.oci.image.index.v1+json";
inline constexpr std::string_view kOciConfig = "application/vnd.oci.image.config.v1+json";
inline constexpr std::string_view kOciLayer = "application/vnd.oci.image.layer.v1.tar";
inline constexpr std::string_view kOciLayerGzip = "application/vnd.oci.image.layer.v1.tar+gzip";
inline constexpr std::string_view kOciLayerZstd = "application/vnd.oci.image.layer.v1.tar+zstd";
inline constexpr std::string_view kDockerManifest = "application/vnd.docker.distribution.manifest.v2+json";
inline constexpr std::string_view kDockerIndex = "application/vnd.docker.distribution.manifest.list.v2+json";
inline constexpr std::string_view kDockerConfig = "application/vnd.docker.container.image.v1+json";
inline constexpr std::string_view kDockerLayer = "application/vnd.docker.image.rootfs.diff.tar";
inline constexpr std::string_view kDockerLayerGzip = "application/vnd.docker.image.rootfs.diff.tar.gzip";
inline constexpr std::string_view kDockerLayerZstd = "application/vnd.docker.image.rootfs.diff.tar.zstd";

inline bool is_index_type(std::string_view type) { return type == kOciIndex || type == kDockerIndex; }
inline bool is_manifest_type(std::string_view type) {
  return type == kOciManifest || type == kDockerManifest;
}
inline bool is_config_type(std::string_view type) { return type == kOciConfig || type == kDockerConfig; }
// A layer whose bytes may not be distributed with the image: it has addresses elsewhere, and may be absent.
inline bool is_foreign_layer(std::string_view type) {
  return type.find(".nondistributable.") != type.npos || type.find(".foreign.") != type.npos;
}

// Success for a tarball we can read, plain, gzip or zstd. ENOTSUP with words for encrypted layers, for
// foreign ones (whose bytes are not part of the image), and for what nobody here knows.
Result<void> check_layer_type(std::string_view type);

}  // namespace acetate::image
