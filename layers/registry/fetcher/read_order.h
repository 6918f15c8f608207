// In which order the parts of a layer are likely to be wanted: what the traces say that came along with images
// (docs/read-trace.md), each by the index that came with it, or by our own.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "layers/stream/partial_blob.h"
#include "layers/tar/index_store.h"

namespace acetate::registry {

// Blocks `first` to `end` (not included), of which somebody came to the first `ms` milliseconds after a mount began.
struct OrderedRun {
  std::uint64_t first = 0, end = 0;
  std::uint32_t ms = 0;
  bool operator==(const OrderedRun&) const = default;
};

// By rising time, no block twice, in pieces of a mebibyte at most, and no more than kMostBytesAhead of them. A hint: where there is
// nothing, or nothing that can be read, it is empty.
inline constexpr std::uint64_t kMostBytesAhead = std::uint64_t{256} << 20;
std::vector<OrderedRun> read_order(const std::string& dir, const PartialBlob& blob, const IndexStore& indexes);

}  // namespace acetate::registry
