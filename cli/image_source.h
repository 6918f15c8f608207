// Images opened to be copied elsewhere, wherever they lie.
#pragma once

#include <istream>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "builder/sandbox/scratch.h"
#include "cli/store_place.h"
#include "layers/image/image_place.h"

namespace acetate::cli {

// What `files` and `images` need lives in it too.
struct OpenedImages {
  const image::ImageFiles* files = nullptr;
  std::vector<image::NamedImage> images;
  std::unique_ptr<image::ImageStore> store = {};
  image::ImageSource source = {};
  std::optional<sandbox::Scratch> scratch = {};
  std::unique_ptr<image::ImageFiles> besides = {};  // of one that is copied on: with what need not come by here
};

// Every place but a registry. An archive that is compressed as a whole (gzip, zstd) is unpacked into a scratch directory
// first, and so is a docker-archive without manifests.
Result<OpenedImages> open_images(const Paths& paths, const image::ImagePlace& place);

// The same for an archive or directory whose form is to be recognised; "-" and "" read `in` to its end.
Result<OpenedImages> open_archive(const Paths& paths, const std::string& path, std::istream& in);

}  // namespace acetate::cli
