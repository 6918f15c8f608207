#include "layers/stream/lazy_source.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/bytes.h"
#include "base/log.h"
#include "base/sys/file.h"
#include "layers/stream/far_wait.h"

namespace acetate {

namespace {

constexpr std::uint64_t kBlock = PartialBlob::kBlock;

// For counting, which is no reason to fail.
std::uint64_t bytes_here(const PartialBlob& blob) {
  const auto here = blob.present_bytes();
  return here ? *here : 0;
}

std::uint64_t block_end(std::uint64_t offset, std::uint64_t length) { return (offset + length + kBlock - 1) / kBlock; }

}  // namespace

LazySource::LazySource(std::unique_ptr<PartialBlob> blob, std::shared_ptr<BlobFetcher> fetcher, ShownBy shown_by)
    : blob_(std::move(blob)),
      fetcher_(std::move(fetcher)),
      shown_by_(shown_by),
      here_before_(bytes_here(*blob_)),
      known_(static_cast<std::size_t>(blob_->blocks())),
      needed_(static_cast<std::size_t>(blob_->blocks())) {}

Result<std::size_t> LazySource::pread(std::span<std::byte> into, std::uint64_t offset) const {
  if (offset >= size() || into.empty()) return std::size_t{0};
  into = into.first(static_cast<std::size_t>(std::min<std::uint64_t>(into.size(), size() - offset)));
  TRY(ensure(offset / kBlock, block_end(offset, into.size())));
  for (std::size_t done = 0; done < into.size();) {
    const std::uint64_t at = offset + done;
    const auto skip = static_cast<std::size_t>(at % kBlock);
    const auto part = into.subspan(done, std::min(into.size() - done, blob_->bytes_of(at / kBlock) - skip));
    TRY(copy(at / kBlock, skip, part));
    done += part.size();
  }
  return into.size();
}

Result<void> LazySource::bring(std::uint64_t offset, std::uint64_t length) const {
  if (offset >= size()) return {};
  return ensure(offset / kBlock, block_end(offset, std::min(length, size() - offset)));
}

// From the first block that is missing to the last, in one piece: what lies between is little, or asked for soon.
Result<void> LazySource::ensure(std::uint64_t first, std::uint64_t end) const {
  if (shown_by_ == ShownBy::word_of_others && blob_->is_condemned())
    return fail(EIO, "the layer {} is not what was said of it: nothing is read by that any more", blob_->digest().str());
  const auto is_known = [&](std::uint64_t block) { return known_[block].load(std::memory_order_relaxed); };
  while (first < end && is_known(first)) ++first;
  while (first < end && is_known(end - 1)) --end;
  if (first == end) return {};
  const auto there = TRY(blob_->present(first, end));
  const auto missing = std::ranges::find(there, false);
  if (missing == there.end()) return {};
  const auto begin = first + static_cast<std::uint64_t>(missing - there.begin());
  while (there[static_cast<std::size_t>(end - 1 - first)]) --end;
  auto fetched = fetch(begin, end);
  has_room_.store(fetched || !fetched.error().is(ENOSPC), std::memory_order_relaxed);
  if (fetched) return {};
  if (fetched.error().is(ENOSPC)) {
    if (!told_of_no_room_.exchange(true))
      log::warn("{}; until there is room, what is read of it is fetched each time", fetched.error().message());
    return {};
  }
  // One that became whole just now is nobody's work any more.
  const auto now = TRY(blob_->present(begin, end));
  if (std::ranges::count(now, false) == 0) return {};
  return Error(EIO, fmt::format("a part of the layer {} is not here and cannot be fetched: {}", blob_->digest().str(),
                                fetched.error().message()));
}

Result<void> LazySource::fetch(std::uint64_t first, std::uint64_t end) const {
  const FarWait::Here waits;
  return fetcher_->fetch(*blob_, first, end);
}

void LazySource::need(std::uint64_t offset, std::uint64_t length) const {
  if (offset >= size()) return;
  const std::uint64_t end = block_end(offset, std::min(length, size() - offset));
  for (std::uint64_t block = offset / kBlock; block < end; ++block)
    if (!needed_[block].load(std::memory_order_relaxed) && !needed_[block].exchange(true, std::memory_order_relaxed))
      needed_bytes_.fetch_add(blob_->bytes_of(block), std::memory_order_relaxed);
}

ByteSource::Fetched LazySource::fetched() const {
  // Fewer than before: some were found damaged.
  return {.needed = needed_bytes_.load(std::memory_order_relaxed), .came = std::max(bytes_here(*blob_), here_before_) - here_before_,
          .lent = lent_bytes_.load(std::memory_order_relaxed)};
}

Result<void> LazySource::complete(bool soon) const {
  auto asked = fetcher_->complete(*blob_, soon);
  if (asked || TRY(blob_->present_bytes()) == size()) return {};
  return asked;
}

Result<void> LazySource::copy(std::uint64_t block, std::size_t skip, std::span<std::byte> into) const {
  if (known_[block].load(std::memory_order_relaxed)) {
    if (TRY(sys::pread_full(blob_->data(), into, block * kBlock + skip)) == into.size()) return {};
    return fail(EIO, "the file of the blob {} became shorter", blob_->digest().str());
  }
  std::vector<std::byte> whole(blob_->bytes_of(block));
  // Twice: a block that was torn is fetched again, and one that is torn then too is not for us to mend.
  for (int tries = 0; tries < 2; ++tries) {
    if (TRY(blob_->read(block, whole))) {
      known_[block].store(true, std::memory_order_relaxed);
      std::memcpy(into.data(), whole.data() + skip, into.size());
      return {};
    }
    if (!has_room_.load(std::memory_order_relaxed)) return borrow(block, skip, into);
    auto fetched = fetch(block, block + 1);
    if (!fetched && fetched.error().is(ENOSPC)) return borrow(block, skip, into);
    if (!fetched)
      return Error(EIO, fmt::format("a part of the layer {} is damaged and cannot be fetched: {}",
                                    blob_->digest().str(), fetched.error().message()));
  }
  return fail(EIO, "the disk does not keep a part of the layer {}", blob_->digest().str());
}

Result<void> LazySource::borrow(std::uint64_t block, std::size_t skip, std::span<std::byte> into) const {
  const auto lent = fetcher_->lend(*blob_, block);
  if (!lent)
    return Error(EIO, fmt::format("a part of the layer {} is not here and cannot be fetched: {}", blob_->digest().str(), lent.error().message()));
  std::memcpy(into.data(), lent->data() + skip, into.size());
  lent_bytes_.fetch_add(into.size(), std::memory_order_relaxed);
  return {};
}

}  // namespace acetate
