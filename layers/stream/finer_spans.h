// The spans of a packed stream, cut finer where something is wanted: for whoever fetches from far away what he decodes.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/result.h"
#include "layers/stream/checkpoint.h"
#include "layers/stream/engine.h"
#include "layers/stream/format.h"
#include "layers/stream/source.h"

namespace acetate {

struct PlainRange {
  std::uint64_t begin = 0, end = 0;
  bool operator==(const PlainRange&) const = default;
};

struct PackedStream {
  SourcePtr packed;
  Format format = Format::unknown;
  std::uint64_t plain_size = 0;
  CheckpointTablePtr checkpoints;  // each with a digest
};

// What a window costs is so little (2 KiB of a Debian's layer) that spans of that many plain bytes are fetched sooner, index and all.
inline constexpr std::uint64_t kFineSpan = std::uint64_t{512} << 10;

// Those of `stream`, in a table of their own: cut where decoding can begin next after each `every` bytes, and next before and behind what
// is `wanted` (by rising begin, none overlapping); windows have zeroes in them where nobody refers to them (slim_window.h). Every span has
// its own digest, of bytes that were verified by that of the one it was cut from; and verify_spans() has said yes.
//
// EBADMSG with words when the stream or its table is damaged, or a span has no digest.
Result<std::vector<Checkpoint>> finer_spans(const PackedStream& stream, std::span<const PlainRange> wanted, std::uint64_t every = kFineSpan);

// Decodes every span of `table` from the start that a reader would, with its window: EBADMSG with words unless each gives the bytes of its
// digest.
Result<void> verify_spans(const PackedStream& stream, std::span<const Checkpoint> table, InflateEngine engine = InflateEngine::fastest);

}  // namespace acetate
