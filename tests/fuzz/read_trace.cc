// A read trace, published beside an image by whoever ran it: its checksum is right, whatever the rest is.
#include "layers/stream/read_trace.h"

#include <algorithm>
#include <array>

#include "base/bytes.h"
#include "base/hash.h"
#include "tests/fuzz/demand.h"
#include "tests/fuzz/targets.h"

namespace acetate::fuzz {

namespace {

Result<std::vector<TracePoint>> parsed(std::span<const std::byte> content, const Digest& blob) {
  ByteWriter text;
  text.put(content);
  text.put(xxh3(content));
  return parse_trace(as_text(text.bytes()), blob);
}

}  // namespace

int read_trace(std::span<const std::byte> bytes) {
  const Digest blob = *Digest::parse("sha256:" + std::string(64, 'a'));
  const auto points = parsed(bytes, blob);
  if (!points) {
    demand(points.error().is(EBADMSG) && !points.error().message().empty());
    return 0;
  }
  demand(points->size() <= kMostTracePoints);
  for (const TracePoint& point : *points) demand(point.end() > point.offset || point.end() == ~std::uint64_t{0});
  // What was understood is written back and understood alike, and a later run goes on from it.
  const auto again = parse_trace(format_trace(blob, *points), blob);
  demand(again && *again == *points);
  const std::array now{TracePoint{.offset = 4096, .ms = 1}};
  const auto merged = merge_traces(now, *points);
  demand(!merged.empty() && merged.size() <= kMostTracePoints && parse_trace(format_trace(blob, merged), blob));
  return 0;
}

}  // namespace acetate::fuzz
