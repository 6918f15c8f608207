#include "layers/stream/seekable.h"

#include <atomic>
#include <cerrno>
#include <utility>

#include "layers/stream/span_source.h"

namespace acetate {

namespace {

// A tar that is not packed: the source itself, and a count of what was read.
class PlainSource final : public DecodedSource {
 public:
  explicit PlainSource(SourcePtr source) : source_(std::move(source)) {}

  std::uint64_t size() const override { return source_->size(); }
  Result<std::size_t> pread(std::span<std::byte> into, std::uint64_t offset) const override {
    const std::size_t got = TRY(source_->pread(into, offset));
    bytes_.fetch_add(got, std::memory_order_relaxed);
    return got;
  }
  Result<std::size_t> pread_at_hand(std::span<std::byte> into, std::uint64_t offset) const override {
    const std::size_t got = TRY(source_->pread_at_hand(into, offset));
    bytes_.fetch_add(got, std::memory_order_relaxed);
    return got;
  }
  std::optional<Plain> plain() const override { return source_->plain(); }
  Result<void> bring(std::uint64_t offset, std::uint64_t length) const override { return source_->bring(offset, length); }
  DecodeCount counted() const noexcept override {
    const std::uint64_t bytes = bytes_.load(std::memory_order_relaxed);
    return {.plain_bytes = bytes, .packed_bytes = bytes};
  }

 private:
  SourcePtr source_;
  mutable std::atomic<std::uint64_t> bytes_ = 0;
};

}  // namespace

DecodeCount& DecodeCount::operator+=(const DecodeCount& other) noexcept {
  spans += other.spans;
  plain_bytes += other.plain_bytes;
  packed_bytes += other.packed_bytes;
  starts += other.starts;
  prefetched += other.prefetched;
  prefetch_used += other.prefetch_used;
  waits += other.waits;
  waited += other.waited;
  needed_bytes += other.needed_bytes;
  fetched_bytes += other.fetched_bytes;
  lent_bytes += other.lent_bytes;
  return *this;
}

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
  const SpanMark first = TRY(what.checkpoints->mark(0));
  if (first.plain_offset != 0 || !first.has_start()) {
    return fail(EINVAL, "the first checkpoint is not at the beginning");
  }
  return DecodedSourcePtr(std::make_shared<SpanSource>(std::move(what)));
}

}  // namespace acetate
