#include "layers/stream/packed_reader.h"

#include <algorithm>
#include <cassert>
#include <cstring>
#include <utility>

namespace acetate {

PackedReader::PackedReader(SourcePtr source, std::uint64_t offset, std::size_t buffer_bytes, Tap tap)
    : source_(std::move(source)),
      capacity_(buffer_bytes + static_cast<std::size_t>(kBack)),
      buffer_(std::make_unique_for_overwrite<std::byte[]>(capacity_)),
      fetched_to_(offset),
      tap_(std::move(tap)) {}

Result<std::span<const std::byte>> PackedReader::ahead(std::size_t count) {
  assert(count <= capacity_ - static_cast<std::size_t>(kBack));
  if (end_ - begin_ < count) TRY(fetch(count));
  return std::span<const std::byte>(buffer_.get() + begin_, end_ - begin_);
}

// Moves the unread bytes, and those just before them that move() may go back to, to the front and fills up.
Result<void> PackedReader::fetch(std::size_t count) {
  const std::size_t keep_from = begin_ - std::min(begin_, static_cast<std::size_t>(kBack));
  std::memmove(buffer_.get(), buffer_.get() + keep_from, end_ - keep_from);
  begin_ -= keep_from;
  end_ -= keep_from;
  std::span<std::byte> room(buffer_.get() + end_, capacity_ - end_);
  const std::uint64_t wanted = wanted_to_ - std::min(wanted_to_, fetched_to_);
  if (wanted < room.size() && end_ - begin_ + wanted >= count) room = room.first(static_cast<std::size_t>(wanted));
  const std::size_t got =
      TRY_WITHIN(source_->pread(room, fetched_to_), "reading the packed bytes at offset {}", fetched_to_);
  if (tap_ && got > 0) tap_(room.first(got));
  end_ += got;
  fetched_to_ += got;
  fetched_ += got;
  return {};
}

void PackedReader::move(std::ptrdiff_t count) noexcept {
  begin_ = static_cast<std::size_t>(static_cast<std::ptrdiff_t>(begin_) + count);
  assert(begin_ <= end_);
}

}  // namespace acetate
