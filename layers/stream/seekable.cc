#include "layers/stream/seekable.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <new>
#include <utility>
#include <vector>

#include "base/log.h"
#include "layers/stream/decoder.h"
#include "layers/stream/decoder_pool.h"
#include "layers/stream/window.h"

namespace acetate {

namespace {

// Small beside a span, so that a random read does not fetch much it does not need.
constexpr std::size_t kPackedBuffer = std::size_t{64} << 10;
constexpr std::size_t kSkipBuffer = std::size_t{64} << 10;

void add(std::atomic<std::uint64_t>& counter, std::uint64_t count) noexcept {
  counter.fetch_add(count, std::memory_order_relaxed);
}

std::uint64_t read(const std::atomic<std::uint64_t>& counter) noexcept {
  return counter.load(std::memory_order_relaxed);
}

// A tar that is not packed: the source itself, and a count of what was read.
class PlainSource final : public DecodedSource {
 public:
  explicit PlainSource(SourcePtr source) : source_(std::move(source)) {}

  std::uint64_t size() const override { return source_->size(); }
  Result<std::size_t> pread(std::span<std::byte> into, std::uint64_t offset) const override {
    const std::size_t got = TRY(source_->pread(into, offset));
    add(bytes_, got);
    return got;
  }
  std::optional<Plain> plain() const override { return source_->plain(); }
  DecodeCount counted() const noexcept override {
    return {.plain_bytes = read(bytes_), .packed_bytes = read(bytes_)};
  }

 private:
  SourcePtr source_;
  mutable std::atomic<std::uint64_t> bytes_ = 0;
};

class SpanSource final : public DecodedSource {
 public:
  explicit SpanSource(Seekable what) : what_(std::move(what)) {}
  SpanSource(const SpanSource&) = delete;
  SpanSource& operator=(const SpanSource&) = delete;
  ~SpanSource() override { what_.cache->forget(id_); }

  std::uint64_t size() const override { return what_.plain_size; }
  Result<std::size_t> pread(std::span<std::byte> into, std::uint64_t offset) const override;
  DecodeCount counted() const noexcept override {
    return {read(spans_), read(plain_bytes_), read(packed_bytes_), read(starts_)};
  }

 private:
  struct Span {
    std::size_t index = 0;
    std::uint64_t begin = 0, end = 0;
    std::optional<Digest> digest;
  };

  Result<Span> span(std::size_t index) const;
  Result<SpanBytes> decode(const Span& span) const;
  Result<SpanBytes> decode_with(Decoder& decoder, const Span& span) const;
  Result<std::size_t> start_before(std::size_t index) const;
  Result<std::unique_ptr<Decoder>> begin_at(std::size_t start) const;
  Result<void> skip_to(Decoder& decoder, std::uint64_t plain_offset) const;
  Error answer(Error error) const;

  const Seekable what_;
  const std::uint64_t id_ = SpanCache::new_source();
  mutable DecoderPool decoders_{kLiveDecoders};
  mutable std::atomic<bool> told_ = false;
  mutable std::atomic<std::uint64_t> spans_ = 0, plain_bytes_ = 0, packed_bytes_ = 0, starts_ = 0;
};

Result<std::size_t> SpanSource::pread(std::span<std::byte> into, std::uint64_t offset) const {
  if (offset >= what_.plain_size || into.empty()) return std::size_t{0};
  into = into.first(static_cast<std::size_t>(std::min<std::uint64_t>(into.size(), what_.plain_size - offset)));
  auto found = find_span(*what_.checkpoints, offset);
  if (!found) return answer(std::move(found).error());
  std::size_t index = *found;
  for (std::size_t done = 0; done < into.size(); ++index) {
    auto span = this->span(index);
    if (!span) return answer(std::move(span).error());
    const std::uint64_t at = offset + done;
    if (at < span->begin || at >= span->end) return answer(fail(EBADMSG, "its table of checkpoints is damaged"));
    auto bytes = what_.cache->get({id_, index}, [&] { return decode(*span); });
    if (!bytes) return answer(std::move(bytes).error());
    const auto from = (*bytes)->bytes().subspan(static_cast<std::size_t>(at - span->begin));
    const std::size_t count = std::min(from.size(), into.size() - done);
    std::memcpy(into.data() + done, from.data(), count);
    done += count;
  }
  return into.size();
}

// What the table says of a span, if it can be true.
Result<SpanSource::Span> SpanSource::span(std::size_t index) const {
  const CheckpointTable& table = *what_.checkpoints;
  if (index >= table.count()) return fail(EBADMSG, "its table of checkpoints is damaged");
  const CheckpointView view = TRY(table.at(index));
  Span span{index, view.plain_offset, what_.plain_size, view.digest};
  if (index + 1 < table.count()) span.end = TRY(table.at(index + 1)).plain_offset;
  if (span.begin >= span.end || span.end > what_.plain_size || span.end - span.begin > kMaxSpanBytes) {
    return fail(EBADMSG, "its table of checkpoints is damaged");
  }
  return span;
}

Result<SpanBytes> SpanSource::decode(const Span& span) const {
  const std::size_t start = TRY(start_before(span.index));
  auto lease = decoders_.take(start, span.index);
  if (lease.decoder == nullptr) lease.decoder = TRY(begin_at(start));
  const std::uint64_t fetched_before = lease.decoder->packed().fetched();
  const std::uint64_t plain_before = lease.decoder->plain_offset();

  auto bytes = decode_with(*lease.decoder, span);

  add(packed_bytes_, lease.decoder->packed().fetched() - fetched_before);
  add(plain_bytes_, lease.decoder->plain_offset() - plain_before);
  if (!bytes) return bytes;
  add(spans_, 1);
  std::move(lease).put_back();
  return bytes;
}

Result<SpanBytes> SpanSource::decode_with(Decoder& decoder, const Span& span) const {
  TRY(skip_to(decoder, span.begin));
  auto decoded = std::make_shared<DecodedSpan>();
  decoded->size = static_cast<std::size_t>(span.end - span.begin);
  decoded->data.reset(new (std::nothrow) std::byte[decoded->size]);
  if (decoded->data == nullptr) return Error(ENOMEM);
  for (std::size_t done = 0; done < decoded->size;) {
    const std::span<std::byte> room(decoded->data.get() + done, decoded->size - done);
    const std::size_t got = TRY(decoder.read(room, Decoder::Stop::anywhere));
    if (got == 0) return fail(EBADMSG, "it ends at byte {}, before the end its index tells", decoder.plain_offset());
    done += got;
  }
  if (span.digest && Digest::of(decoded->bytes()) != *span.digest) {
    return fail(EBADMSG, "its bytes {} to {} are not those that were indexed", span.begin, span.end);
  }
  return SpanBytes(std::move(decoded));
}

Result<void> SpanSource::skip_to(Decoder& decoder, std::uint64_t plain_offset) const {
  if (decoder.plain_offset() == plain_offset) return {};
  std::vector<std::byte> scratch(kSkipBuffer);
  while (decoder.plain_offset() < plain_offset) {
    const auto room = static_cast<std::size_t>(
        std::min<std::uint64_t>(scratch.size(), plain_offset - decoder.plain_offset()));
    const std::size_t got = TRY(decoder.read(std::span(scratch).first(room), Decoder::Stop::anywhere));
    if (got == 0) return fail(EBADMSG, "it ends at byte {}, before the end its index tells", decoder.plain_offset());
  }
  return {};
}

Result<std::size_t> SpanSource::start_before(std::size_t index) const {
  for (;; --index) {
    if (TRY(what_.checkpoints->at(index)).has_start()) return index;
    if (index == 0) return fail(EBADMSG, "its table of checkpoints is damaged");
  }
}

Result<std::unique_ptr<Decoder>> SpanSource::begin_at(std::size_t start) const {
  const CheckpointView at = TRY(what_.checkpoints->at(start));
  add(starts_, 1);
  PackedReader packed(what_.packed, at.packed_bit / 8, kPackedBuffer);
  if (at.window.empty()) {
    if (at.packed_bit % 8 != 0) return fail(EBADMSG, "its table of checkpoints is damaged");
    if (what_.format == Format::zstd) return zstd_decoder(std::move(packed), at.plain_offset);
    const Check check = at.digest ? Check::structure : Check::everything;
    return gzip_decoder(std::move(packed), at.plain_offset, check, what_.engine);
  }
  if (what_.format != Format::gzip) return fail(EBADMSG, "its table of checkpoints is damaged");
  const auto window = TRY(unpack_window(at.window));
  return gzip_decoder_inside(std::move(packed), at.plain_offset, static_cast<unsigned>(at.packed_bit % 8), window,
                             what_.engine);
}

// Damage becomes EIO and is told once: a file on the mount may be read again and again.
Error SpanSource::answer(Error error) const {
  if (!error.is(EBADMSG) && !error.is(EINVAL)) return error;
  auto words = fmt::format("a packed layer cannot be read: {}", error.message());
  if (!told_.exchange(true)) log::error("{}", words);
  return {EIO, std::move(words)};
}

}  // namespace

Result<DecodedSourcePtr> seekable_source(Seekable what) {
  switch (what.format) {
    case Format::plain:
      if (what.packed->size() != what.plain_size) {
        return fail(EBADMSG, "{} bytes were expected, but the tar has {}", what.plain_size, what.packed->size());
      }
      return DecodedSourcePtr(std::make_shared<PlainSource>(std::move(what.packed)));
    case Format::gzip:
    case Format::zstd: break;
    case Format::unknown:
    case Format::xz:
    case Format::bzip2:
      return fail(ENOTSUP, "what is {} cannot be read at any offset", describe(what.format));
  }
  if (what.checkpoints == nullptr || what.checkpoints->count() == 0) {
    return fail(EINVAL, "a packed stream can only be read by its checkpoints, and there are none");
  }
  const CheckpointView first = TRY(what.checkpoints->at(0));
  if (first.plain_offset != 0 || !first.has_start()) {
    return fail(EINVAL, "the first checkpoint is not at the beginning");
  }
  return DecodedSourcePtr(std::make_shared<SpanSource>(std::move(what)));
}

}  // namespace acetate
