// What a layer index says of its layer as a whole, and of itself.
#pragma once

#include <cstdint>

#include "base/digest.h"
#include "layers/stream/format.h"

namespace acetate {

struct IndexFacts {
  Digest blob;
  Digest diff_id;  // by SHA-256, whatever the blob is named by
  std::uint64_t packed_bytes = 0;
  std::uint64_t plain_bytes = 0;
  std::uint64_t entries = 0;  // of the tar
  Format format = Format::unknown;

  std::uint64_t inodes = 0;
  std::uint64_t spans = 0;
  std::uint64_t index_bytes = 0;   // of the index file, …
  std::uint64_t window_bytes = 0;  // … what decoding needs to begin at spans, …
  std::uint64_t string_bytes = 0;  // … and names and targets
  std::uint64_t fingerprint = 0;   // of its content: another index of the same blob may number it otherwise
};

}  // namespace acetate
