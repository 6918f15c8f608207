// A descriptor (image-spec descriptor.md): what a blob is, its digest and its size. Documents of an image
// point at one another by nothing else.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "base/digest.h"

namespace acetate::image {

struct Descriptor {
  std::string media_type;
  Digest digest;
  std::uint64_t size = 0;
  std::optional<Digest> toc = {};  // of a layer's table of contents (eStargz, zstd:chunked), where it is annotated
  std::map<std::string, std::string> annotations = {};  // others, as to_json() writes them; not read
  // Annotations say nothing of what it is.
  bool operator==(const Descriptor& other) const {
    return media_type == other.media_type && digest == other.digest && size == other.size;
  }
};

}  // namespace acetate::image
