#include "layers/stream/seekable.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <new>
#include <utility>
#include <vector>

#include "base/log.h"
#include "base/mutex.h"
#include "layers/stream/decoder.h"
#include "layers/stream/decoder_pool.h"
#include "layers/stream/inflater.h"
#include "layers/stream/read_ahead.h"
#include "layers/stream/window.h"

namespace acetate {

namespace {

// Small beside a span, so that a random read does not fetch much it does not need.
constexpr std::size_t kPackedBuffer = std::size_t{64} << 10;
constexpr std::size_t kNoSpan = ~std::size_t{0} - 1;
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
  Result<void> bring(std::uint64_t offset, std::uint64_t length) const override { return source_->bring(offset, length); }
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
  ~SpanSource() override {
    ReadAhead::process().forget(this);
    what_.cache->forget(id_);
  }

  std::uint64_t size() const override { return what_.plain_size; }
  Result<std::size_t> pread(std::span<std::byte> into, std::uint64_t offset) const override;
  std::optional<Stretch> stretch(std::uint64_t offset) const override;
  Result<void> bring(std::uint64_t offset, std::uint64_t length) const override;
  DecodeCount counted() const noexcept override {
    return {read(spans_), read(plain_bytes_), read(packed_bytes_), read(starts_)};
  }

 private:
  struct Span {
    std::size_t index = 0;
    std::uint64_t begin = 0, end = 0;
    std::optional<Digest> digest;
    SpanPlace place() const noexcept { return {index, begin, end}; }
  };

  Result<Span> span(std::size_t index) const;
  Result<SpanBytes> get(const Span& span) const;
  Result<SpanBytes> decode(const Span& span) const;
  Result<SpanBytes> decode_by_zlib(const Span& span, Error failed) const;
  Result<SpanBytes> decode_with(Decoder& decoder, const Span& span) const;
  Result<SpanBytes> next_span(Decoder& decoder, const Span& span) const;
  Result<std::size_t> start_before(std::size_t index) const;
  Result<std::unique_ptr<Decoder>> begin_at(std::size_t start, InflateEngine engine) const;
  Result<void> go_to(Decoder& decoder, const Span& span, std::size_t start) const;
  Result<std::uint64_t> packed_end(std::size_t index) const;
  void see(std::size_t index) const;
  std::shared_ptr<Mirror> mirror(bool needed) const;
  Error answer(Error error) const;

  const Seekable what_;
  const std::uint64_t id_ = SpanCache::new_source();
  mutable DecoderPool decoders_{kLiveDecoders};
  mutable std::atomic<bool> told_ = false;
  mutable std::atomic<bool> fast_is_wrong_ = false;
  mutable std::atomic<bool> mirror_known_ = false;
  mutable Mutex mirror_mutex_;
  mutable std::shared_ptr<Mirror> mirror_ GUARDED_BY(mirror_mutex_);
  // The spans that readers were in last, and which of these to forget next.
  mutable std::array<std::atomic<std::size_t>, kLiveDecoders> recent_ = {kNoSpan, kNoSpan, kNoSpan, kNoSpan};
  mutable std::atomic<std::size_t> oldest_recent_ = 0;
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
    auto bytes = get(*span);
    see(index);
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

Result<SpanBytes> SpanSource::get(const Span& span) const {
  return what_.cache->get({id_, span.index}, [&]() -> Result<SpanBytes> {
    if (const auto mirror = this->mirror(false)) {
      if (auto bytes = mirror->load(span.place())) return bytes;
    }
    auto bytes = decode(span);
    if (!bytes && bytes.error().is(EBADMSG)) bytes = decode_by_zlib(span, std::move(bytes).error());
    if (bytes) {
      add(spans_, 1);
      if (const auto mirror = this->mirror(false)) mirror->store(span.place(), (*bytes)->bytes());
    }
    return bytes;
  });
}

Result<SpanBytes> SpanSource::decode(const Span& span) const {
  const std::size_t start = TRY(start_before(span.index));
  auto lease = decoders_.take(start, span.index);
  if (lease.decoder == nullptr) {
    lease.decoder = TRY(begin_at(start, fast_is_wrong_ ? InflateEngine::zlib : what_.engine));
  }
  const std::uint64_t from = lease.decoder->packed().position(), to = TRY(packed_end(span.index));
  if (from < to) TRY(what_.packed->bring(from, to - from));
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
  const auto decoder = TRY(begin_at(TRY(start_before(span.index)), InflateEngine::zlib));
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
    if (TRY(what_.checkpoints->at(index)).has_start()) return index;
    if (index == 0) return fail(EBADMSG, "its table of checkpoints is damaged");
  }
}

// Where a decoder that has read the span has come to in the packed bytes, at most.
Result<std::uint64_t> SpanSource::packed_end(std::size_t index) const {
  for (++index; index < what_.checkpoints->count(); ++index) {
    const CheckpointView next = TRY(what_.checkpoints->at(index));
    if (next.has_start()) return std::min(next.packed_bit / 8 + kPackedBuffer, what_.packed->size());
  }
  return what_.packed->size();
}

Result<void> SpanSource::bring(std::uint64_t offset, std::uint64_t length) const {
  if (offset >= what_.plain_size || length == 0) return {};
  length = std::min(length, what_.plain_size - offset);
  const std::size_t first = TRY(start_before(TRY(find_span(*what_.checkpoints, offset))));
  const std::uint64_t from = TRY(what_.checkpoints->at(first)).packed_bit / 8;
  const std::uint64_t to = TRY(packed_end(TRY(find_span(*what_.checkpoints, offset + length - 1))));
  return from < to ? what_.packed->bring(from, to - from) : Result<void>();
}

Result<std::unique_ptr<Decoder>> SpanSource::begin_at(std::size_t start, InflateEngine engine) const {
  const CheckpointView at = TRY(what_.checkpoints->at(start));
  add(starts_, 1);
  PackedReader packed(what_.packed, at.packed_bit / 8, kPackedBuffer);
  if (at.window.empty()) {
    if (at.packed_bit % 8 != 0) return fail(EBADMSG, "its table of checkpoints is damaged");
    const Check check = at.digest ? Check::structure : Check::everything;
    return decoder_at_start(what_.format, std::move(packed), at.plain_offset, check, engine);
  }
  if (what_.format != Format::gzip) return fail(EBADMSG, "its table of checkpoints is damaged");
  const auto window = TRY(unpack_window(at.window));
  return gzip_decoder_inside(std::move(packed), at.plain_offset, static_cast<unsigned>(at.packed_bit % 8), window,
                             engine);
}

// A reader that comes to a span from the one before will come to the next one.
void SpanSource::see(std::size_t index) const {
  if (!what_.read_ahead) return;
  for (auto& seen : recent_)
    if (seen.load(std::memory_order_relaxed) == index) return;
  const auto before = std::ranges::find_if(
      recent_, [&](const auto& seen) { return index > 0 && seen.load(std::memory_order_relaxed) + 1 == index; });
  if (before == recent_.end()) {
    recent_[oldest_recent_.fetch_add(1, std::memory_order_relaxed) % recent_.size()] = index;
    return;
  }
  before->store(index, std::memory_order_relaxed);
  if (index + 1 >= what_.checkpoints->count()) return;
  ReadAhead::process().ask(this, [this, next = index + 1] {
    // Whoever reads it hears of what is wrong with it.
    if (const auto span = this->span(next)) (void)get(*span);
  });
}

// Opened when it is first asked for, so that a mount costs nothing. `needed`: one without a name will do.
std::shared_ptr<Mirror> SpanSource::mirror(bool needed) const {
  if (!what_.mirrors && !needed && !mirror_known_) return nullptr;
  Lock lock(mirror_mutex_);
  const Mirror::Of of{what_.blob, what_.plain_size, what_.checkpoints->count()};
  if (what_.mirrors && !mirror_known_.exchange(true)) mirror_ = what_.mirrors->open(of);
  if (mirror_ == nullptr && needed) {
    auto unnamed = Mirror::unnamed(of);
    if (!unnamed) return nullptr;
    mirror_ = *std::move(unnamed);
    mirror_known_ = true;
  }
  return mirror_;
}

std::optional<ByteSource::Stretch> SpanSource::stretch(std::uint64_t offset) const {
  const auto mirror = this->mirror(false);
  if (mirror == nullptr || offset >= what_.plain_size) return std::nullopt;
  const auto index = find_span(*what_.checkpoints, offset);
  if (!index) return std::nullopt;
  const auto span = this->span(*index);
  if (!span || offset < span->begin || offset >= span->end) return std::nullopt;
  return mirror->stretch(span->place(), offset);
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
    case Format::zstd:
    case Format::xz:
    case Format::bzip2: break;
    case Format::unknown: return fail(ENOTSUP, "what is {} cannot be read at any offset", describe(what.format));
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
