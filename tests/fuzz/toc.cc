// The JSON of a table of contents, in a zstd:chunked blob: its tree, and every chunk it speaks of.
#include <algorithm>

#include "base/bytes.h"
#include "layers/tar/toc_layer.h"
#include "tests/fuzz/demand.h"
#include "tests/fuzz/targets.h"
#include "tests/layers/tar/scanned.h"
#include "tests/layers/tar/tar_maker.h"

namespace acetate::fuzz {

namespace {

// A frame of stored blocks (RFC 8878): what is asked is what the JSON does, not what zstd does.
void put_frame(ByteWriter& blob, std::span<const std::byte> content) {
  constexpr std::size_t kMostOfABlock = 128 * 1024;
  blob.put(std::uint32_t{0xfd2fb528});
  blob.put(std::uint8_t{0xa0});  // one segment, its size in four bytes
  blob.put(static_cast<std::uint32_t>(content.size()));
  do {
    const std::size_t count = std::min(content.size(), kMostOfABlock);
    const auto header = static_cast<std::uint32_t>(count << 3 | (count == content.size() ? 1 : 0));
    for (int byte = 0; byte < 3; ++byte) blob.put(static_cast<std::uint8_t>(header >> (8 * byte)));
    blob.put(content.first(count));
    content = content.subspan(count);
  } while (!content.empty());
}

}  // namespace

int toc(std::span<const std::byte> json) {
  ByteWriter blob;
  put_frame(blob, as_bytes("content"));
  const std::uint64_t at = blob.size();
  put_frame(blob, json);
  const TocPlace place{Format::zstd, at, blob.size() - at};
  TarLimits limits;
  limits.entries = 2000;
  const auto layer = toc_layer(test::source_of(as_text(blob.bytes())), place, {.limits = limits});
  if (!layer) {
    demand(!layer.error().message().empty());
    return 0;
  }
  (void)test::listing_of(*layer->layer, true, 1 << 20);
  return 0;
}

}  // namespace acetate::fuzz
