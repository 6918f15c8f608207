#include "layers/tar/index_sections.h"

#include <algorithm>
#include <cstring>

#include "base/bytes.h"
#include "base/hash.h"
#include "base/sys/file.h"

namespace acetate {

void SectionWriter::pad() {
  const std::uint64_t padded = (at_ + 7) / 8 * 8;
  buffer_.resize(buffer_.size() + (padded - at_));
  at_ = padded;
}

void SectionWriter::end_section() {
  if (header_.section_count == 0) return;
  lix::SectionRecord& last = header_.sections[header_.section_count - 1];
  last.length = at_ - last.offset;
}

void SectionWriter::begin(lix::SectionId id, std::uint32_t item_bytes) {
  end_section();
  pad();
  header_.sections[header_.section_count++] = {.id = static_cast<std::uint32_t>(id), .item_bytes = item_bytes,
                                               .offset = at_, .length = 0, .reserved = 0};
}

Result<void> SectionWriter::append(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    if (buffer_.size() >= kBufferBytes) TRY(flush());
    const std::size_t part = std::min(bytes.size(), kBufferBytes - buffer_.size());
    buffer_.insert(buffer_.end(), bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(part));
    at_ += part;
    bytes = bytes.subspan(part);
  }
  return {};
}

// Whole groups, but for the very last: kBufferBytes is a multiple of a group.
Result<void> SectionWriter::flush() {
  const std::size_t count = std::min(buffer_.size(), kBufferBytes);
  const std::span<const std::byte> bytes = std::span(buffer_).first(count);
  for (std::size_t i = 0; i < count; i += lix::kGroupBytes)
    sums_.push_back(xxh3(bytes.subspan(i, std::min<std::size_t>(lix::kGroupBytes, count - i))));
  TRY(sys::pwrite_full(out_, bytes, at_ - buffer_.size()));
  buffer_.erase(buffer_.begin(), buffer_.begin() + static_cast<std::ptrdiff_t>(count));
  return {};
}

Result<void> SectionWriter::checkpoints(std::span<const Checkpoint> table) {
  std::vector<lix::CheckpointRecord> records;
  std::uint64_t window = 0;
  for (const Checkpoint& point : table) {
    lix::CheckpointRecord record{.plain_offset = point.plain_offset, .packed_bit = point.packed_bit, .window = window,
                                 .window_bytes = static_cast<std::uint32_t>(point.window.size()),
                                 .flags = point.digest ? lix::kDigestKnown : 0, .digest = {}};
    if (point.digest) std::memcpy(record.digest, point.digest->head().data(), sizeof record.digest);
    records.push_back(record);
    window += point.window.size();
  }
  begin(lix::SectionId::checkpoints, sizeof(lix::CheckpointRecord));
  return append(std::as_bytes(std::span(records)));
}

Result<void> SectionWriter::windows(std::span<const Checkpoint> table) {
  begin(lix::SectionId::windows, 1);
  for (const Checkpoint& point : table) TRY(append(point.window));
  return {};
}

Result<void> SectionWriter::finish() {
  end_section();
  pad();
  while (!buffer_.empty()) TRY(flush());

  const auto sums = std::as_bytes(std::span(sums_));
  header_.sections[header_.section_count++] = {.id = static_cast<std::uint32_t>(lix::SectionId::group_sums),
                                               .item_bytes = sizeof(std::uint64_t), .offset = at_,
                                               .length = sums.size(), .reserved = 0};
  TRY(sys::pwrite_full(out_, sums, at_));
  header_.file_bytes = at_ + sums.size();
  header_.group_sums_sum = xxh3(sums);
  const auto bytes = std::as_bytes(std::span(&header_, 1));
  header_.sum = xxh3(bytes.first(offsetof(lix::Header, sum)));
  return sys::pwrite_full(out_, bytes, 0);
}

}  // namespace acetate
