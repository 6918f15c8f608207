// From a built stage to what the person asked for: an image in a layout, an archive of one, or its files.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/digest.h"
#include "base/result.h"
#include "builder/cache.h"
#include "builder/clock.h"
#include "builder/stage_state.h"
#include "layers/image/layout.h"

namespace acetate::build {

enum class Compression { none, gzip, zstd };

// How layers are written.
struct Packing {
  Compression compression = Compression::gzip;
  std::optional<int> level = {};  // the library's default
  bool force = false;             // layers of the base too
};

// --output
struct Output {
  enum class Type {
    oci,     // an OCI layout: a directory, or a tarball of one
    docker,  // the same tarball with what `docker load` wants in it
    tar,     // the files, as one tarball
    local,   // the files, in a directory
    none,    // nothing: the build was the purpose
  } type = Type::oci;
  std::string dest;        // "-" is standard output
  bool archive = false;    // of oci: one file
  Packing packing = {};
  std::vector<std::string> names = {};  // as name= says, besides the build's tags
};

using Annotations = std::map<std::string, std::string>;

struct ExportedImage {
  Digest config;    // the image id
  image::Descriptor manifest;
};

// Writes the image into `layout` under every one of `tags`. Layers of the base stay the bytes they were; layers
// of this build are compressed as asked. Blobs that are there already are not written again.
struct ExportRequest {
  const StageState& state;
  Cache& cache;
  LayerOpener& layers;
  TimeRule times = {};
  std::vector<std::string> tags = {};
  Annotations annotations = {};  // of the manifest
  std::string scratch_base = {};
  bool owners = false;           // files in a directory may have their owners
};
Result<ExportedImage> export_image(const ExportRequest& request, image::Layout& layout, const Packing& packing);

// What --output says. A file or archive that was at `dest` is replaced when the new one is complete; a directory that
// holds something else than a layout is never. Nothing for what has no manifest (tar, local).
Result<std::optional<ExportedImage>> export_to(const ExportRequest& request, const Output& output);

// "name" as "name:latest"; what has a tag or digest stays.
std::string with_tag(const std::string& name);

}  // namespace acetate::build
