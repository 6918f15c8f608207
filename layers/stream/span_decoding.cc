#include <algorithm>
#include <cerrno>
#include <new>
#include <utility>
#include <vector>

#include "base/log.h"
#include "layers/stream/inflater.h"
#include "layers/stream/span_source.h"

namespace acetate {

namespace {

// Small beside a span, so that a random read does not fetch much it does not need.
constexpr std::size_t kPackedBuffer = std::size_t{64} << 10;
constexpr std::size_t kSkipBuffer = std::size_t{64} << 10;

void add(std::atomic<std::uint64_t>& counter, std::uint64_t count) noexcept {
  counter.fetch_add(count, std::memory_order_relaxed);
}

}  // namespace

Result<SpanBytes> SpanSource::decode(const Span& span) const {
  const std::size_t start = TRY(start_before(span.index));
  auto lease = decoders_.take(start, span.index);
  const std::uint64_t from = lease.decoder ? lease.decoder->packed().position() : TRY(what_.checkpoints->mark(start)).packed_bit / 8;
  const std::uint64_t to = TRY(packed_end(span.index));
  // Before anything is read, which would wait for a part of it, and then for the rest.
  if (from < to) TRY(what_.packed->bring(from, to - from));
  if (lease.decoder == nullptr) lease.decoder = TRY(begin_at(start, to, fast_is_wrong_ ? InflateEngine::zlib : what_.engine));
  lease.decoder->packed().read_up_to(to);
  const std::uint64_t fetched_before = lease.decoder->packed().fetched();
  const std::uint64_t plain_before = lease.decoder->plain_offset();

  auto bytes = decode_with(*lease.decoder, span);

  add(packed_bytes_, lease.decoder->packed().fetched() - fetched_before);
  add(plain_bytes_, lease.decoder->plain_offset() - plain_before);
  if (!bytes) return bytes;
  std::move(lease).put_back();
  return bytes;
}

// What the fast decoder made did not verify: perhaps the blob is damaged, perhaps the decoder is.
Result<SpanBytes> SpanSource::decode_by_zlib(const Span& span, Error failed) const {
  if (what_.format != Format::gzip || what_.engine == InflateEngine::zlib || fast_is_wrong_ || !has_fast_inflater())
    return failed;
  const auto decoder = TRY(begin_at(TRY(start_before(span.index)), TRY(packed_end(span.index)), InflateEngine::zlib));
  auto bytes = decode_with(*decoder, span);
  if (bytes && !fast_is_wrong_.exchange(true))
    log::warn("the fast gzip decoder failed on a layer and zlib reads it from now on: {}", failed.message());
  return bytes;
}

// What lies between is not wanted now, but where a mirror keeps it the way need not be gone twice.
Result<void> SpanSource::go_to(Decoder& decoder, const Span& span, std::size_t start) const {
  const auto mirror = this->mirror(start != span.index);
  if (mirror == nullptr) return {};
  for (std::size_t i = start; i < span.index; ++i) {
    const Span passed = TRY(this->span(i));
    if (passed.begin < decoder.plain_offset()) continue;
    mirror->store(passed.place(), TRY(next_span(decoder, passed))->bytes());
  }
  return {};
}

Result<SpanBytes> SpanSource::decode_with(Decoder& decoder, const Span& span) const {
  if (decoder.plain_offset() < span.begin) TRY(go_to(decoder, span, TRY(start_before(span.index))));
  return next_span(decoder, span);
}

Result<SpanBytes> SpanSource::next_span(Decoder& decoder, const Span& span) const {
  const auto ends = [&] {
    return fail(EBADMSG, "it ends at byte {}, before the end its index tells", decoder.plain_offset());
  };
  std::vector<std::byte> scratch(decoder.plain_offset() < span.begin ? kSkipBuffer : 0);
  while (decoder.plain_offset() < span.begin) {
    const auto room = static_cast<std::size_t>(
        std::min<std::uint64_t>(scratch.size(), span.begin - decoder.plain_offset()));
    if (TRY(decoder.read(std::span(scratch).first(room), Decoder::Stop::anywhere)) == 0) return ends();
  }
  auto decoded = std::make_shared<DecodedSpan>();
  decoded->size = static_cast<std::size_t>(span.end - span.begin);
  decoded->data.reset(new (std::nothrow) std::byte[decoded->size]);
  if (decoded->data == nullptr) return Error(ENOMEM);
  for (std::size_t done = 0; done < decoded->size;) {
    const std::span<std::byte> room(decoded->data.get() + done, decoded->size - done);
    const std::size_t got = TRY(decoder.read(room, Decoder::Stop::anywhere));
    if (got == 0) return ends();
    done += got;
  }
  if (span.digest && Digest::of(decoded->bytes()) != *span.digest) {
    return fail(EBADMSG, "its bytes {} to {} are not those that were indexed", span.begin, span.end);
  }
  return SpanBytes(std::move(decoded));
}

Result<std::size_t> SpanSource::start_before(std::size_t index) const {
  for (;; --index) {
    if (TRY(what_.checkpoints->mark(index)).has_start()) return index;
    if (index == 0) return fail(EBADMSG, "its table of checkpoints is damaged");
  }
}

// Behind the last packed byte that a span is decoded from: where decoding can begin next, or all of them.
Result<std::uint64_t> SpanSource::packed_end(std::size_t index) const {
  for (++index; index < what_.checkpoints->count(); ++index) {
    const SpanMark next = TRY(what_.checkpoints->mark(index));
    if (next.has_start()) return std::min((next.packed_bit + 7) / 8, what_.packed->size());
  }
  return what_.packed->size();
}

// A reader came to the span, for the first time.
void SpanSource::note_need(std::size_t index) const {
  const auto first = start_before(index);
  const auto end = packed_end(index);
  if (!first || !end) return;  // a damaged table is told of to whoever reads
  const auto start = what_.checkpoints->mark(*first);
  if (start && start->packed_bit / 8 < *end) what_.packed->need(start->packed_bit / 8, *end - start->packed_bit / 8);
}

Result<void> SpanSource::bring(std::uint64_t offset, std::uint64_t length) const {
  if (offset >= what_.plain_size || length == 0) return {};
  const FarWaits::Call call(waits_);
  length = std::min(length, what_.plain_size - offset);
  const std::size_t first = TRY(start_before(TRY(find_span(*what_.checkpoints, offset))));
  const std::uint64_t from = TRY(what_.checkpoints->mark(first)).packed_bit / 8;
  const std::uint64_t to = TRY(packed_end(TRY(find_span(*what_.checkpoints, offset + length - 1))));
  return from < to ? what_.packed->bring(from, to - from) : Result<void>();
}

Result<std::unique_ptr<Decoder>> SpanSource::begin_at(std::size_t start, std::uint64_t packed_end, InflateEngine engine) const {
  const CheckpointView at = TRY(what_.checkpoints->at(start));
  add(starts_, 1);
  PackedReader packed(what_.packed, at.packed_bit / 8, kPackedBuffer);
  packed.read_up_to(packed_end);
  return decoder_at(what_.format, std::move(packed), at, engine);
}

}  // namespace acetate
