// What an image was made from, told to whoever asks: an in-toto statement with SLSA provenance (slsa.dev/spec/v1.1/provenance), in the
// form and place that BuildKit gives it ("min": no build arguments, no steps).
//
//   index                   the images, then for each an artifact whose platform is "unknown/unknown"
//   artifact                subject: the image; its one layer is the statement
//
// The image is the same, to the byte, with and without it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/digest.h"
#include "base/result.h"
#include "layers/image/image.h"
#include "layers/image/layout.h"
#include "layers/image/manifest.h"

namespace acetate::build {

// An image that a build began with or copied from.
struct Material {
  std::string name;
  image::Platform platform;
  Digest manifest;
  auto operator<=>(const Material&) const = default;
};

// What is told of a build, whatever platform an image of it is for.
struct Provenance {
  std::string dockerfile;   // as it was named
  std::string target = {};  // --target
  std::string source = {};  // of the context, where it is a repository or a URL
  std::int64_t began = 0;   // seconds since 1970
  std::string builder_id = {};
};

// Where a context comes from as anybody may know it: without the password in a URL. "" for what lies on this machine.
std::string public_source(const std::string& context);

// The statement. Pure.
std::string provenance_statement(const Provenance& told, const std::vector<Material>& materials, const image::Descriptor& image,
                                 const image::Platform& platform, const std::vector<std::string>& names, std::int64_t ended);

// Puts it into the layout; the entry of the index that belongs behind the images.
Result<image::IndexEntry> put_provenance(const std::string& statement, const image::Descriptor& image, image::Layout& layout);

}  // namespace acetate::build
