#include "layers/stream/span_source.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/log.h"
#include "layers/stream/read_ahead.h"

namespace acetate {

SpanSource::~SpanSource() {
  ReadAhead::process().forget(this);
  if (Learning* learning = learning_.load()) save(*learning);
  what_.cache->forget(id_);
}

Result<std::size_t> SpanSource::pread(std::span<std::byte> into, std::uint64_t offset) const {
  if (offset >= what_.plain_size || into.empty()) return std::size_t{0};
  into = into.first(static_cast<std::size_t>(std::min<std::uint64_t>(into.size(), what_.plain_size - offset)));
  const FarWaits::Call call(waits_);
  auto found = find_span(*what_.checkpoints, offset);
  if (!found) return answer(std::move(found).error());
  std::size_t index = *found;
  for (std::size_t done = 0; done < into.size(); ++index) {
    auto span = this->span(index);
    if (!span) return answer(std::move(span).error());
    const std::uint64_t at = offset + done;
    if (at < span->begin || at >= span->end) return answer(fail(EBADMSG, "its table of checkpoints is damaged"));
    auto copied = copy(*span, at, into.subspan(done));
    see(index, at, copied ? *copied : 1);
    if (!copied) return answer(std::move(copied).error());
    done += *copied;
  }
  return into.size();
}

Result<std::size_t> SpanSource::pread_at_hand(std::span<std::byte> into, std::uint64_t offset) const {
  if (offset >= what_.plain_size || into.empty()) return std::size_t{0};
  into = into.first(static_cast<std::size_t>(std::min<std::uint64_t>(into.size(), what_.plain_size - offset)));
  // What is wrong is told to whoever reads it.
  auto index = find_span(*what_.checkpoints, offset);
  std::size_t ready = 0;
  while (index && ready < into.size()) {
    const auto span = this->span(*index);
    const std::uint64_t at = offset + ready;
    if (!span || at < span->begin || at >= span->end || !is_at_hand(*span)) break;
    ready = static_cast<std::size_t>(std::min<std::uint64_t>(into.size(), span->end - offset));
    index = *index + 1;
  }
  return ready == 0 ? Result<std::size_t>(0) : pread(into.first(ready), offset);
}

bool SpanSource::is_at_hand(const Span& span) const {
  if (what_.cache->holds({id_, span.index})) return true;
  const auto mirror = this->mirror(false);
  return mirror != nullptr && mirror->holds(span.place());
}

// What the table says of a span, if it can be true.
Result<SpanSource::Span> SpanSource::span(std::size_t index) const {
  const CheckpointTable& table = *what_.checkpoints;
  if (index >= table.count()) return fail(EBADMSG, "its table of checkpoints is damaged");
  const SpanMark mark = TRY(table.mark(index));
  Span span{index, mark.plain_offset, what_.plain_size, mark.digest};
  if (index + 1 < table.count()) span.end = TRY(table.mark(index + 1)).plain_offset;
  if (span.begin >= span.end || span.end > what_.plain_size || span.end - span.begin > kMaxSpanBytes) {
    return fail(EBADMSG, "its table of checkpoints is damaged");
  }
  return span;
}

// Bytes in the mirror that are no longer what they were, or whose page its file lost while we copied, are not asked for again: the span
// is decoded.
Result<std::size_t> SpanSource::copy(const Span& span, std::uint64_t at, std::span<std::byte> into) const {
  for (;;) {
    const SpanBytes bytes = TRY(get(span));
    const auto offset = static_cast<std::size_t>(at - span.begin);
    const auto from = bytes->bytes().subspan(offset);
    const std::size_t count = std::min(from.size(), into.size());
    if (bytes->is_true(offset, count)) {
      std::memcpy(into.data(), from.data(), count);
      if (!bytes->failed()) return count;
    }
    if (const auto mirror = this->mirror(false)) mirror->distrust(span.place());
    what_.cache->drop({id_, span.index}, bytes);
  }
}

Result<SpanBytes> SpanSource::get(const Span& span) const {
  return what_.cache->get({id_, span.index}, [&] {
    const ReadAhead::Reading reading(ReadAhead::process());
    return load_or_decode(span);
  });
}

Result<SpanBytes> SpanSource::load_or_decode(const Span& span) const {
  if (const auto mirror = this->mirror(false)) {
    if (auto bytes = mirror->load(span.place())) return bytes;
  }
  auto bytes = decode(span);
  if (!bytes && bytes.error().is(EBADMSG)) bytes = decode_by_zlib(span, std::move(bytes).error());
  if (bytes) {
    spans_.fetch_add(1, std::memory_order_relaxed);
    if (const auto mirror = this->mirror(false)) mirror->store(span.place(), (*bytes)->bytes());
  }
  return bytes;
}

// Opened when it is first asked for, so that a mount costs nothing. `needed`: one without a name will do.
std::shared_ptr<Mirror> SpanSource::mirror(bool needed) const {
  if (!what_.mirrors && !needed && !mirror_known_) return nullptr;
  Lock lock(mirror_mutex_);
  const Mirror::Of of{what_.blob, what_.plain_size, what_.checkpoints->count(), what_.cut};
  if (what_.mirrors && !mirror_known_.exchange(true)) mirror_ = what_.mirrors->open(of);
  if (mirror_ == nullptr && needed) {
    auto unnamed = Mirror::unnamed(of);
    if (!unnamed) return nullptr;
    mirror_ = *std::move(unnamed);
    mirror_known_ = true;
  }
  return mirror_;
}

std::optional<ByteSource::Stretch> SpanSource::stretch(std::uint64_t offset, std::uint64_t length) const {
  const auto mirror = this->mirror(false);
  if (mirror == nullptr || offset >= what_.plain_size) return std::nullopt;
  const auto index = find_span(*what_.checkpoints, offset);
  if (!index) return std::nullopt;
  const auto span = this->span(*index);
  if (!span || offset < span->begin || offset >= span->end) return std::nullopt;
  auto stretch = mirror->stretch(span->place(), offset);
  if (!stretch) return std::nullopt;
  stretch->length = std::min(stretch->length, length);
  see(*index, offset, stretch->length);
  return stretch;
}

// Damage becomes EIO and is told once: a file on the mount may be read again and again.
Error SpanSource::answer(Error error) const {
  if (!error.is(EBADMSG) && !error.is(EINVAL)) return error;
  auto words = fmt::format("a packed layer cannot be read: {}", error.message());
  if (!told_.exchange(true)) log::error("{}", words);
  return {EIO, std::move(words)};
}

DecodeCount SpanSource::counted() const noexcept {
  const auto read = [](const std::atomic<std::uint64_t>& counter) { return counter.load(std::memory_order_relaxed); };
  const auto [needed, came, lent] = what_.packed->fetched();
  return {.spans = read(spans_),
          .plain_bytes = read(plain_bytes_),
          .packed_bytes = read(packed_bytes_),
          .starts = read(starts_),
          .prefetched = read(prefetched_),
          .prefetch_used = read(prefetch_used_),
          .waits = waits_.count(),
          .waited = waits_.time(),
          .needed_bytes = needed,
          .fetched_bytes = came,
          .lent_bytes = lent};
}

}  // namespace acetate
