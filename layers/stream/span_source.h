// SpanSource: the plain bytes of a packed stream, span by span; what seekable_source() makes of everything that is packed.
//
// span_source.cc answers readers, span_decoding.cc decodes, span_ahead.cc decodes what nobody has asked for yet.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "layers/stream/decoder.h"
#include "layers/stream/decoder_pool.h"
#include "layers/stream/far_wait.h"
#include "layers/stream/read_trace.h"
#include "layers/stream/seekable.h"

namespace acetate {

// Thread-safe.
class SpanSource final : public DecodedSource {
 public:
  // The table has a first checkpoint, with a start, at plain offset 0.
  explicit SpanSource(Seekable what) : what_(std::move(what)), came_to_(what_.checkpoints->count()) {}
  SpanSource(const SpanSource&) = delete;
  SpanSource& operator=(const SpanSource&) = delete;
  ~SpanSource() override;

  std::uint64_t size() const override { return what_.plain_size; }
  Result<std::size_t> pread(std::span<std::byte> into, std::uint64_t offset) const override;
  Result<std::size_t> pread_at_hand(std::span<std::byte> into, std::uint64_t offset) const override;
  std::optional<Stretch> stretch(std::uint64_t offset, std::uint64_t length) const override;
  Result<void> bring(std::uint64_t offset, std::uint64_t length) const override;
  void learn(const std::string& trace) const override;
  DecodeCount counted() const noexcept override;

 private:
  static constexpr std::size_t kNoSpan = ~std::size_t{0} - 1;
  struct Span {
    std::size_t index = 0;
    std::uint64_t begin = 0, end = 0;
    std::optional<Digest> digest;
    SpanPlace place() const noexcept { return {index, begin, end}; }
  };

  Result<Span> span(std::size_t index) const;
  // Without a look at the disk's own cache of the mirror: what is in it is taken for near enough.
  bool is_at_hand(const Span& span) const;
  // From memory, from the mirror, or decoded.
  Result<SpanBytes> get(const Span& span) const;
  // What of it lies at plain offset `at` and after; the count.
  Result<std::size_t> copy(const Span& span, std::uint64_t at, std::span<std::byte> into) const;
  Result<SpanBytes> load_or_decode(const Span& span) const;
  Result<SpanBytes> decode(const Span& span) const;
  Result<SpanBytes> decode_by_zlib(const Span& span, Error failed) const;
  Result<SpanBytes> decode_with(Decoder& decoder, const Span& span) const;
  Result<SpanBytes> next_span(Decoder& decoder, const Span& span) const;
  Result<std::size_t> start_before(std::size_t index) const;
  Result<std::unique_ptr<Decoder>> begin_at(std::size_t start, std::uint64_t packed_end, InflateEngine engine) const;
  Result<void> go_to(Decoder& decoder, const Span& span, std::size_t start) const;
  Result<std::uint64_t> packed_end(std::size_t index) const;

  // What this run comes to, and what of the runs before it is decoded ahead.
  struct Learning {
    const std::string path;
    TraceRecorder now;
    const std::unique_ptr<std::atomic<bool>[]> prefetched;  // by span
    std::atomic<std::uint64_t> bytes_ahead = 0;
    std::atomic<bool> is_saved = false;  // what is known later is a later mount's to tell
  };
  // A reader has read so many bytes of a span.
  void see(std::size_t index, std::uint64_t offset, std::uint64_t length) const;
  bool is_first_there(std::size_t index) const;
  void note_need(std::size_t index) const;
  void note(Learning& learning, std::uint64_t offset, std::uint64_t length) const;
  bool prefetch(Learning& learning, std::size_t index) const;
  void save(Learning& learning) const;

  std::shared_ptr<Mirror> mirror(bool needed) const;
  Error answer(Error error) const;

  const Seekable what_;
  const std::uint64_t id_ = SpanCache::new_source();
  mutable FarWaits waits_;
  mutable std::vector<std::atomic<bool>> came_to_;  // by span: a reader
  mutable DecoderPool decoders_{kLiveDecoders};
  mutable std::atomic<bool> told_ = false;
  mutable std::atomic<bool> fast_is_wrong_ = false;
  mutable std::atomic<bool> mirror_known_ = false;
  mutable Mutex mirror_mutex_;
  mutable std::shared_ptr<Mirror> mirror_ GUARDED_BY(mirror_mutex_);
  // The spans that readers were in last, how many in a row they had come through to them, and which of these to forget next.
  mutable std::array<std::atomic<std::size_t>, kLiveDecoders> recent_ = {kNoSpan, kNoSpan, kNoSpan, kNoSpan};
  mutable std::array<std::atomic<unsigned>, kLiveDecoders> in_a_row_ = {};
  mutable std::atomic<std::size_t> oldest_recent_ = 0;
  mutable Mutex learning_mutex_;
  mutable std::unique_ptr<Learning> own_learning_ GUARDED_BY(learning_mutex_);
  mutable std::atomic<Learning*> learning_ = nullptr;  // the same, for readers, who take no lock
  mutable std::atomic<std::uint64_t> prefetched_ = 0, prefetch_used_ = 0;
  mutable std::atomic<std::uint64_t> spans_ = 0, plain_bytes_ = 0, packed_bytes_ = 0, starts_ = 0;
};

}  // namespace acetate
