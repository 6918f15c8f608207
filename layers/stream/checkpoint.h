// Checkpoint: a place in a packed stream where decoding can begin, and the span of plain bytes that begins
// there.
//
// Spans tile the plain bytes: each reaches to the next checkpoint, the last to the end, and none is longer than
// kMaxSpanBytes. A span is the unit that is decoded, verified and cached. Most can be decoded from their own
// checkpoint; where the packed stream allows no start for a long while (one huge deflate block, a single zstd
// frame) spans without a start of their own follow, and decoding begins at the nearest start before them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "base/digest.h"
#include "base/result.h"

namespace acetate {

// Checkpoint::packed_bit of a span that has no start of its own.
inline constexpr std::uint64_t kNoStart = ~std::uint64_t{0};
// A table that claims more is damaged. First passes make spans of at most twice FirstPassOptions::span_bytes.
inline constexpr std::uint64_t kMaxSpanBytes = std::uint64_t{64} << 20;

// What a checkpoint says of the span that begins there, but for what decoding needs.
struct SpanMark {
  std::uint64_t plain_offset = 0;
  std::uint64_t packed_bit = kNoStart;
  std::optional<Digest> digest;

  bool has_start() const noexcept { return packed_bit != kNoStart; }
};

// A checkpoint in place: what an index file hands out without copying. The window lives as long as its table.
struct CheckpointView {
  std::uint64_t plain_offset = 0;
  // Counted in bits from the beginning of the packed bytes, the lowest bit of a byte first; kNoStart.
  std::uint64_t packed_bit = kNoStart;
  // The 32 KiB of plain bytes before, packed by pack_window(). Empty: a gzip member or zstd frame begins here
  // (packed_bit is then a multiple of 8), or there is no start.
  std::span<const std::byte> window;
  // SHA-256 of the span's plain bytes, where it is known. Known to our own first pass always.
  std::optional<Digest> digest;
};

struct Checkpoint {
  std::uint64_t plain_offset = 0;
  std::uint64_t packed_bit = kNoStart;
  std::vector<std::byte> window;
  std::optional<Digest> digest;

  SpanMark mark() const noexcept { return {plain_offset, packed_bit, digest}; }
  CheckpointView view() const noexcept { return {plain_offset, packed_bit, window, digest}; }
};

// The checkpoints of one packed stream, by rising plain offset; the first is at plain offset 0 and has a start.
// Thread-safe and immutable. Whoever reads one checks what it says: a hostile table must never be more than an
// error.
class CheckpointTable {
 public:
  virtual ~CheckpointTable() = default;
  virtual std::size_t count() const = 0;
  // `i` < count(). Fails where the bytes behind the table cannot be had or do not verify.
  virtual Result<CheckpointView> at(std::size_t i) const = 0;
  // The same without its window. Windows are the most of a table: who only wants to know where spans lie has none of them read and verified.
  virtual Result<SpanMark> mark(std::size_t i) const = 0;
};

using CheckpointTablePtr = std::shared_ptr<const CheckpointTable>;

// A table in memory.
CheckpointTablePtr checkpoint_table(std::vector<Checkpoint> checkpoints);

// The span that `plain_offset` lies in: the last checkpoint at or before it. O(log n) calls of mark(). EINVAL for
// an empty table or one whose first checkpoint comes after it.
Result<std::size_t> find_span(const CheckpointTable& table, std::uint64_t plain_offset);

}  // namespace acetate
