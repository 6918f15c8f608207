// The directory an image is to be mounted on: looked at before anything is made or started.
#pragma once

#include <string>

#include "base/result.h"
#include "layers/image/image.h"

namespace acetate::cli {

// Its absolute path, symlinks resolved. Errors with words when it is absent, no directory, inside a directory
// that is a layer of the image (the mount would show itself), or has a mount of ours on it already.
Result<std::string> check_target(const std::string& path, const image::Image& image);

// Whether a file system of that type is our daemon's, under either of its names.
bool is_our_type(const std::string& type);

}  // namespace acetate::cli
