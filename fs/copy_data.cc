#include "fs/copy_data.h"

#include <algorithm>
#include <memory>

#include "base/sys/copy.h"
#include "base/sys/file.h"

namespace acetate::fs {

namespace {

constexpr std::size_t kBuffer = 1 << 20;

// Reads a stretch of data and writes it.
Result<void> copy_by_reading(const FileView& from, FdRef to, std::uint64_t at, std::uint64_t end,
                             std::unique_ptr<std::byte[]>& buffer) {
  if (!buffer) buffer.reset(new std::byte[std::min<std::uint64_t>(kBuffer, from.size())]);
  while (at < end) {
    const std::span<std::byte> part(buffer.get(),
                                    static_cast<std::size_t>(std::min<std::uint64_t>({kBuffer, from.size(), end - at})));
    const std::size_t count = TRY(from.pread(part, at));
    if (count == 0) return Error(EIO);
    TRY(sys::pwrite_full(to, part.first(count), at));
    at += count;
  }
  return {};
}

}  // namespace

Result<std::uint64_t> copy_data(const FileView& from, FdRef to, std::uint64_t length) {
  std::unique_ptr<std::byte[]> buffer;
  std::uint64_t copied = 0;
  std::uint64_t written_to = 0;
  for (std::uint64_t at = 0; at < length;) {
    const Segment segment = from.segment(at);
    const std::uint64_t end = std::min(length, at + std::max<std::uint64_t>(segment.length, 1));
    while (!segment.hole && at < end) {
      if (const auto extent = from.extent(at); extent && extent->length != 0) {
        const std::uint64_t part = std::min(extent->length, end - at);
        // copy_file_range shares blocks where both file systems can; a clone of its own is no faster.
        if (TRY(sys::copy_bytes(extent->fd, extent->fd_offset, to, at, part)) != part) return Error(EIO);
        at += part;
        copied += part;
      } else {
        // Up to where it may be plain again is not known: one buffer at a time.
        const std::uint64_t part = std::min<std::uint64_t>(kBuffer, end - at);
        TRY(copy_by_reading(from, to, at, at + part, buffer));
        at += part;
        copied += part;
      }
      written_to = at;
    }
    at = end;
  }
  if (written_to < length) TRY(sys::truncate(to, length));  // it ends in a hole
  return copied;
}

}  // namespace acetate::fs
