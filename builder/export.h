// From a built stage to an image: blobs, config, manifest and reference in an OCI layout.
#pragma once

#include <string>
#include <vector>

#include "base/digest.h"
#include "base/result.h"
#include "builder/cache.h"
#include "builder/stage_state.h"
#include "layers/image/layout.h"

namespace acetate::build {

enum class Compression { none, gzip };

struct ExportedImage {
  Digest config;    // the image id
  image::Descriptor manifest;
};

// Writes the image into `layout` under every one of `tags`. Layers of the base stay the bytes they were; layers
// of this build are compressed as asked. Blobs that are there already are not written again.
Result<ExportedImage> export_image(const StageState& state, image::Layout& layout, Compression compression,
                                   const std::vector<std::string>& tags, Cache& cache);

// The same into a new OCI layout directory or, where `dest` ends with .tar, an archive of one. What was at
// `dest` is replaced when the new one is complete: a file only, never a directory that holds something else.
Result<ExportedImage> export_to(const std::string& dest, const StageState& state, Compression compression,
                                const std::vector<std::string>& tags, Cache& cache, const std::string& scratch_base);

// "name" as "name:latest"; what has a tag or digest stays.
std::string with_tag(const std::string& name);

}  // namespace acetate::build
