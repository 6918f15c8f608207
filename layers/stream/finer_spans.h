// The spans of a packed stream, cut finer where something is wanted: for whoever fetches from far away what he decodes.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/result.h"
#include "layers/stream/checkpoint.h"
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
// is `wanted` (by rising begin, none overlapping); windows have zeroes in them where nobody refers to them (slim_window.h). Every span that
// comes of one whose digest is known has its own, of bytes that were verified by that.
//
// EBADMSG with words when the stream or its table is damaged.
Result<std::vector<Checkpoint>> finer_spans(const PackedStream& stream, std::span<const PlainRange> wanted, std::uint64_t every = kFineSpan);

}  // namespace acetate
