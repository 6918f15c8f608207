// An image, wherever it lies: configuration and layers, the layers still in the blobs they came in.
//
// Read from an OCI layout directory, an oci-archive, a docker-archive (as docker, podman and skopeo write it)
// or plain rootfs tarballs. Nothing is unpacked: a layer is a path, an offset and a length.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/digest.h"
#include "base/result.h"
#include "layers/layer_spec.h"

namespace acetate::image {

struct Platform {
  std::string os = "linux";
  std::string architecture;  // GOARCH spelling: amd64, arm64
  std::string variant = {};
  std::string os_version = {};  // of Windows: "10.0.20348.1006"
  auto operator<=>(const Platform&) const = default;
};
Platform host_platform();

struct History {
  std::string created = {};  // RFC 3339
  std::string created_by = {};
  std::string author = {};
  std::string comment = {};
  bool empty_layer = false;
  bool operator==(const History&) const = default;
};

// The part of the OCI image config (image-spec config.md) that we act on; `raw` keeps the whole document, so
// that unknown keys survive being read and written (layers/image/config.h does both).
struct Config {
  Platform platform;
  std::string created;  // RFC 3339, "" when not said
  std::string author;
  std::vector<std::string> env;  // "K=V"
  std::vector<std::string> entrypoint;
  std::vector<std::string> cmd;
  std::string working_dir;
  std::string user;
  std::map<std::string, std::string> labels;
  std::vector<std::string> exposed_ports;  // "80/tcp", sorted
  std::vector<std::string> volumes;
  std::string stop_signal;
  std::string healthcheck;  // JSON of the value, "" when there is none
  std::vector<std::string> onbuild;
  std::vector<std::string> shell;
  std::vector<Digest> diff_ids;  // bottom first
  std::vector<History> history;  // oldest first
  std::string raw;               // JSON, as read
};

struct Layer {
  LayerSpec spec;  // where its bytes are
  std::optional<Digest> digest =
      {};  // of the blob as it lies there; directories and plain tarballs have none yet
  std::string media_type;
  std::uint64_t size = 0;
};

struct Image {
  Config config;
  std::vector<Layer> layers;  // bottom first, as manifests have them
  std::string name;           // how it was asked for
  std::optional<Digest> manifest_digest;
  std::optional<Digest> id = {};  // of the config, by whose digest people know an image; nothing where there is none
  // Of one in a store: keeps garbage collection away until no copy of this has it any more. Given back when the layers are open, or mounted.
  std::shared_ptr<const void> hold = {};

  // lowerdir elements for the daemon, top first.
  std::vector<std::string> lowers() const;
};

// What a person typed:
//   oci:DIR[:TAG]  oci-archive:FILE[:TAG]  docker-archive:FILE[:REF]   or a path, recognised by what is
//   there: an OCI layout directory, an archive with oci-layout or manifest.json in it, a rootfs tarball, a
//   directory.
// Indexes are resolved for `platform`. A tarball or directory without configuration gets an empty config.
// ENOENT, "no image for linux/arm64", "holds 3 images, name one of …" come with words.
Result<Image> open_image(const std::string& reference, const Platform& platform);

// Several plain tarballs or directories as one image, bottom first.
Result<Image> image_from_layers(const std::vector<std::string>& bottom_to_top);

}  // namespace acetate::image
