// Inflater: one raw deflate stream (RFC 1951), piece by piece, with a stop between blocks.
#pragma once

#include <cstddef>
#include <memory>
#include <span>

#include "base/result.h"
#include "layers/stream/engine.h"

namespace acetate {

// Not thread-safe.
class Inflater {
 public:
  virtual ~Inflater() = default;

  // A new stream begins at the next byte.
  virtual Result<void> begin() = 0;
  // A stream goes on between two of its blocks: the upper `bits` (0 to 7) bits of `byte` come first, and
  // `window` is what was decoded before.
  virtual Result<void> resume(unsigned bits, std::byte byte, std::span<const std::byte> window) = 0;

  enum class At {
    anywhere,     // more input or more room is needed
    block_start,  // between two blocks of the stream; only seen when asked for
    end,          // after its last block
  };
  struct Step {
    // Bytes of `in` used up. Negative when bytes of an earlier step turn out not to belong to the stream.
    std::ptrdiff_t consumed = 0;
    std::size_t produced = 0;
    At at = At::anywhere;
    unsigned unused_bits = 0;  // at block_start: how many bits of what was consumed belong to the next block
  };
  // Decodes as much as `in` and `out` (which is not empty) allow, at most to the next block when
  // `stop_at_blocks`. EBADMSG with words for damage.
  virtual Result<Step> step(std::span<const std::byte> in, std::span<std::byte> out, bool stop_at_blocks) = 0;
};

Result<std::unique_ptr<Inflater>> make_inflater(InflateEngine engine);
// Whether `fastest` is another library than zlib.
bool has_fast_inflater() noexcept;
// For tests of what happens when the fast one is wrong: what `fastest` makes from now on; null: the real one.
using MakeInflater = Result<std::unique_ptr<Inflater>> (*)();
void set_fast_inflater(MakeInflater make) noexcept;

// The two there are. isal_inflater() only where it was built in.
Result<std::unique_ptr<Inflater>> zlib_inflater();
Result<std::unique_ptr<Inflater>> isal_inflater();

}  // namespace acetate
