// From a built stage to what the person asked for: an image in a layout, an archive of one, or its files.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/digest.h"
#include "base/result.h"
#include "builder/cache.h"
#include "builder/clock.h"
#include "builder/provenance.h"
#include "builder/stage_state.h"
#include "layers/image/layout.h"

namespace acetate::build {

enum class Compression { none, gzip, zstd, estargz };

// How layers are written.
struct Packing {
  Compression compression = Compression::gzip;
  std::optional<int> level = {};  // the library's default
  bool force = false;             // layers of the base too
  bool tells_epoch = false;       // a layer of this build says which SOURCE_DATE_EPOCH it was written with, as BuildKit's do
};

// --output
struct Output {
  enum class Type {
    oci,     // an OCI layout: a directory, or a tarball of one
    docker,  // the same tarball with what `docker load` wants in it
    tar,     // the files, as one tarball
    local,   // the files, in a directory
    image,     // our own store
    registry,  // a registry, by the image's names
    none,      // nothing: the build was the purpose
  } type = Type::oci;
  std::string dest;        // "-" is standard output
  bool archive = false;    // of oci: one file
  Packing packing = {};
  std::vector<std::string> names = {};  // as name= says, besides the build's tags
  std::optional<std::string> epoch = {};  // as source-date-epoch= says; "": it tells of none
};

using Annotations = std::map<std::string, std::string>;

struct ExportedImage {
  Digest config;    // the image id; of an index, its digest
  image::Descriptor manifest;
};

// What was built for one platform.
struct BuiltImage {
  image::Platform platform;
  StageState state;
  std::vector<Material> materials = {};  // images it was made from
};

struct ExportRequest {
  const std::vector<BuiltImage>& images;  // at least one
  Cache& cache;
  LayerOpener& layers;
  TimeRule times = {};
  std::vector<std::string> tags = {};
  Annotations annotations = {};  // of the manifest
  const std::set<Digest>* inline_cache = nullptr;  // keys of what images are to know of the build cache (builder/cache_inline.h)
  std::optional<Provenance> provenance = {};  // what is to be told of the build, beside each image
  std::string scratch_base = {};
  bool owners = false;           // files in a directory may have their owners
};

// Writes the image into `layout` under every one of `tags`; of several, and of one with provenance, an index. Layers of the base stay the bytes they were; layers
// of this build are compressed as asked. Blobs that are there already are not written again.
Result<ExportedImage> export_images(const ExportRequest& request, image::Layout& layout, const Packing& packing);
// One of them, without a name.
Result<ExportedImage> export_image(const ExportRequest& request, const StageState& state, image::Layout& layout, const Packing& packing);

// What --output says. A file or archive that was at `dest` is replaced when the new one is complete; a directory that
// holds something else than a layout is never. Nothing for what has no manifest (tar, local). Files of several platforms go into a
// directory each, "linux_arm64"; ENOTSUP with words for what holds one image only (docker). Not for Type::image.
Result<std::optional<ExportedImage>> export_to(const ExportRequest& request, const Output& output);

// "name" as "name:latest"; what has a tag or digest stays.
std::string with_tag(const std::string& name);

}  // namespace acetate::build
