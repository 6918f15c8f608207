// Decoder: plain bytes out of packed ones, in order, from one place on.
//
// First passes and random reads use the same decoders: what the one learnt to read, the other reads alike.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <utility>

#include "base/result.h"
#include "layers/stream/checkpoint.h"
#include "layers/stream/engine.h"
#include "layers/stream/format.h"
#include "layers/stream/packed_reader.h"

namespace acetate {

// A place where decoding can begin.
struct StartPoint {
  std::uint64_t packed_bit = 0;  // see CheckpointView
  bool needs_window = false;     // of the plain bytes before it
};

// Not thread-safe. After an error only the destructor may be called.
class Decoder {
 public:
  virtual ~Decoder() = default;

  enum class Stop {
    anywhere,
    at_starts,  // returns early (with 0 bytes too) wherever decoding could begin: start() then says where
  };
  // The next plain bytes; 0 when at_end() or, with at_starts, at a start. `into` is not empty. Damage is
  // EBADMSG in words that say where.
  virtual Result<std::size_t> read(std::span<std::byte> into, Stop stop) = 0;

  bool at_end() const noexcept { return at_end_; }
  const std::optional<StartPoint>& start() const noexcept { return start_; }
  std::uint64_t plain_offset() const noexcept { return plain_offset_; }
  PackedReader& packed() noexcept { return packed_; }

 protected:
  Decoder(PackedReader packed, std::uint64_t plain_offset)
      : packed_(std::move(packed)), plain_offset_(plain_offset) {}
  // "damaged gzip data …: WHAT"
  Error damaged(Format format, std::string_view what) const;
  Error cut_off(Format format) const;

  PackedReader packed_;
  std::uint64_t plain_offset_;
  bool at_end_ = false;
  std::optional<StartPoint> start_;
};

// What to check on the way.
enum class Check {
  everything,  // gzip CRC-32 of members decoded from their beginning; zstd checks its checksums always
  structure,   // when the caller verifies digests anyway
};

std::unique_ptr<Decoder> plain_decoder(PackedReader packed);
// At a member's header.
Result<std::unique_ptr<Decoder>> gzip_decoder(PackedReader packed, std::uint64_t plain_offset, Check check,
                                              InflateEngine engine);
// Between two deflate blocks. The reader stands at the first byte that has a bit of the block;
// `bits_taken` of it belong to the block before.
Result<std::unique_ptr<Decoder>> gzip_decoder_inside(PackedReader packed, std::uint64_t plain_offset,
                                                     unsigned bits_taken, std::span<const std::byte> window,
                                                     InflateEngine engine);
// At a frame.
Result<std::unique_ptr<Decoder>> zstd_decoder(PackedReader packed, std::uint64_t plain_offset);
// At the beginning of a stream.
Result<std::unique_ptr<Decoder>> xz_decoder(PackedReader packed, std::uint64_t plain_offset);
Result<std::unique_ptr<Decoder>> bzip2_decoder(PackedReader packed, std::uint64_t plain_offset);

// The one for a packed format, where a member, frame or stream begins. EBADMSG with words for a format that is
// none.
Result<std::unique_ptr<Decoder>> decoder_at_start(Format format, PackedReader packed, std::uint64_t plain_offset,
                                                  Check check, InflateEngine engine);

// Where a checkpoint says, from which byte on `packed` reads. EBADMSG with words for one that cannot be: windows are gzip's alone.
Result<std::unique_ptr<Decoder>> decoder_at(Format format, PackedReader packed, const CheckpointView& at, InflateEngine engine);

}  // namespace acetate
