#include "layers/stream/chunk_source.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <new>
#include <utility>

#include "layers/stream/checkpoint.h"
#include "layers/stream/decoder.h"
#include "layers/stream/far_wait.h"

namespace acetate {

namespace {

constexpr std::size_t kPackedBuffer = std::size_t{64} << 10;
constexpr std::uint64_t kTogether = std::uint64_t{1} << 20;  // packed bytes of a file that come at once

class ChunkSource final : public DecodedSource {
 public:
  ChunkSource(SourcePtr packed, Format format, std::vector<Chunk> chunks, std::uint64_t packed_end, SpanCache& cache)
      : packed_(std::move(packed)), format_(format), chunks_(std::move(chunks)), cache_(cache) {
    for (const Chunk& chunk : chunks_) starts_.push_back(chunk.packed_offset);
    starts_.push_back(packed_end);
    std::ranges::sort(starts_);
  }
  ChunkSource(const ChunkSource&) = delete;
  ChunkSource& operator=(const ChunkSource&) = delete;
  ~ChunkSource() override { cache_.forget(id_); }

  std::uint64_t size() const override {
    return chunks_.empty() ? 0 : chunks_.back().plain_offset + chunks_.back().length;
  }

  Result<std::size_t> pread(std::span<std::byte> into, std::uint64_t offset) const override {
    if (offset >= size()) return std::size_t{0};
    into = into.first(static_cast<std::size_t>(std::min<std::uint64_t>(into.size(), size() - offset)));
    const FarWaits::Call call(waits_);
    auto chunk = chunk_at(offset);
    for (std::size_t done = 0; done < into.size(); ++chunk) {
      const auto number = static_cast<std::uint64_t>(chunk - chunks_.begin());
      auto bytes = cache_.get({id_, number}, [&] { return decode(*chunk); });
      if (!bytes) return answer(std::move(bytes).error());
      const auto from = (*bytes)->bytes().subspan(static_cast<std::size_t>(offset + done - chunk->plain_offset));
      const std::size_t count = std::min(from.size(), into.size() - done);
      std::memcpy(into.data() + done, from.data(), count);
      packed_->need(chunk->packed_offset, packed_end_of(*chunk) - chunk->packed_offset);
      done += count;
    }
    return into.size();
  }

  // Chunks that lie one after the other come together.
  Result<void> bring(std::uint64_t offset, std::uint64_t length) const override {
    if (offset >= size() || length == 0) return {};
    const FarWaits::Call call(waits_);
    const std::uint64_t end = offset + std::min(length, size() - offset);
    for (auto chunk = chunk_at(offset); chunk != chunks_.end() && chunk->plain_offset < end;) {
      const std::uint64_t from = chunk->packed_offset;
      std::uint64_t to = packed_end_of(*chunk);
      while (++chunk != chunks_.end() && chunk->plain_offset < end && chunk->packed_offset == to) to = packed_end_of(*chunk);
      TRY(packed_->bring(from, to - from));
    }
    return {};
  }

  DecodeCount counted() const noexcept override {
    const std::uint64_t decoded = chunks_decoded_.load(std::memory_order_relaxed);
    const auto [needed, came, lent] = packed_->fetched();
    return {.spans = decoded,
            .plain_bytes = plain_bytes_.load(std::memory_order_relaxed),
            .packed_bytes = packed_bytes_.load(std::memory_order_relaxed),
            .starts = decoded,
            .waits = waits_.count(),
            .waited = waits_.time(),
            .needed_bytes = needed,
            .fetched_bytes = came,
            .lent_bytes = lent};
  }

 private:
  std::vector<Chunk>::const_iterator chunk_at(std::uint64_t offset) const {
    return std::ranges::upper_bound(chunks_, offset, {}, &Chunk::plain_offset) - 1;
  }
  // Never before where it begins, whatever a table says.
  std::uint64_t packed_end_of(const Chunk& chunk) const {
    const auto next = std::ranges::upper_bound(starts_, chunk.packed_offset);
    return next == starts_.end() ? chunk.packed_offset : *next;
  }

  // A reader who comes to a chunk has the next ones of its file brought too.
  std::uint64_t end_of_what_comes_with(const Chunk& chunk) const {
    std::uint64_t end = packed_end_of(chunk);
    for (const Chunk* each = &chunk; each->goes_on && each != &chunks_.back(); end = packed_end_of(*each)) {
      ++each;
      if (each->packed_offset != end || packed_end_of(*each) - chunk.packed_offset > kTogether) break;
    }
    return end;
  }

  Result<SpanBytes> decode(const Chunk& chunk) const {
    TRY(packed_->bring(chunk.packed_offset, end_of_what_comes_with(chunk) - chunk.packed_offset));
    PackedReader reader(packed_, chunk.packed_offset, kPackedBuffer);
    reader.read_up_to(packed_end_of(chunk));
    const auto decoder =
        TRY(decoder_at_start(format_, std::move(reader), 0, Check::structure, InflateEngine::fastest));
    auto decoded = std::make_shared<DecodedSpan>();
    decoded->size = static_cast<std::size_t>(chunk.length);
    decoded->data.reset(new (std::nothrow) std::byte[decoded->size]);
    if (decoded->data == nullptr) return Error(ENOMEM);
    TRY(skip(*decoder, chunk.inner_offset));
    for (std::size_t done = 0; done < decoded->size;) {
      const std::span<std::byte> room(decoded->data.get() + done, decoded->size - done);
      const std::size_t got = TRY(decoder->read(room, Decoder::Stop::anywhere));
      if (got == 0) return fail(EBADMSG, "a chunk ends after {} of {} bytes", done, decoded->size);
      done += got;
    }
    add_up(*decoder);
    if (chunk.digest && Digest::of(decoded->bytes(), chunk.digest->algorithm()) != *chunk.digest)
      return fail(EBADMSG, "the chunk at packed byte {} is not what the table of contents says", chunk.packed_offset);
    return SpanBytes(std::move(decoded));
  }

  static Result<void> skip(Decoder& decoder, std::uint64_t count) {
    std::vector<std::byte> scratch(static_cast<std::size_t>(std::min<std::uint64_t>(count, kPackedBuffer)));
    while (count > 0) {
      const auto room = std::span(scratch).first(static_cast<std::size_t>(std::min<std::uint64_t>(count, scratch.size())));
      const std::size_t got = TRY(decoder.read(room, Decoder::Stop::anywhere));
      if (got == 0) return fail(EBADMSG, "a chunk begins {} bytes past the end of what it lies in", count);
      count -= got;
    }
    return {};
  }

  void add_up(Decoder& decoder) const noexcept {
    chunks_decoded_.fetch_add(1, std::memory_order_relaxed);
    plain_bytes_.fetch_add(decoder.plain_offset(), std::memory_order_relaxed);
    packed_bytes_.fetch_add(decoder.packed().fetched(), std::memory_order_relaxed);
  }

  static Error answer(Error error) {
    if (!error.is(EBADMSG)) return error;
    return {EIO, fmt::format("a packed layer cannot be read: {}", error.message())};
  }

  const SourcePtr packed_;
  const Format format_;
  const std::vector<Chunk> chunks_;
  std::vector<std::uint64_t> starts_;  // packed, of all members or frames, and where the last ends
  SpanCache& cache_;
  const std::uint64_t id_ = SpanCache::new_source();
  mutable FarWaits waits_;
  mutable std::atomic<std::uint64_t> chunks_decoded_ = 0, plain_bytes_ = 0, packed_bytes_ = 0;
};

}  // namespace

Result<DecodedSourcePtr> chunk_source(SourcePtr packed, Format format, std::vector<Chunk> chunks, std::uint64_t packed_end,
                                      SpanCache& cache) {
  std::uint64_t at = 0;
  for (const Chunk& chunk : chunks) {
    if (chunk.plain_offset != at || chunk.length == 0 || chunk.length > kMaxSpanBytes)
      return fail(EINVAL, "a chunk of {} bytes at {}: chunks have 1 to {} bytes and leave no gaps", chunk.length,
                  chunk.plain_offset, kMaxSpanBytes);
    if (chunk.inner_offset > kMaxSpanBytes)
      return fail(EINVAL, "a chunk {} bytes into what it lies in: at most {} are", chunk.inner_offset, kMaxSpanBytes);
    at += chunk.length;
  }
  return DecodedSourcePtr(std::make_shared<ChunkSource>(std::move(packed), format, std::move(chunks), packed_end, cache));
}

}  // namespace acetate
