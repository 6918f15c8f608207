// A descriptor (image-spec descriptor.md): what a blob is, its digest and its size. Documents of an image
// point at one another by nothing else.
#pragma once

#include <cstdint>
#include <string>

#include "base/digest.h"

namespace acetate::image {

struct Descriptor {
  std::string media_type;
  Digest digest;
  std::uint64_t size = 0;
  bool operator==(const Descriptor&) const = default;
};

}  // namespace acetate::image
