// The writable layers of `mount --rw`: one directory for each mountpoint, kept when it is unmounted.
#pragma once

#include <string>

#include "base/result.h"
#include "layers/image/image.h"

namespace acetate::cli {

struct WritableLayer {
  std::string upper;
  std::string work;
};

// Makes BELOW/NAME/{upper,work} if need be. NAME is made of the mountpoint's name and a hash of its whole
// path. EEXIST with words when what is there was written on top of another image: mixing the two would show
// files of neither.
Result<WritableLayer> prepare_writable_layer(const std::string& below, const std::string& mountpoint,
                                             const image::Image& image);

}  // namespace acetate::cli
