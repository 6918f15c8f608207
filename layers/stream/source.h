// ByteSource: bytes that can be read at any offset. A file, a part of one, memory.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "base/fd.h"
#include "base/result.h"

namespace acetate {

// Thread-safe. pread fills `into` unless the end comes first: less than asked means the end.
class ByteSource {
 public:
  virtual ~ByteSource() = default;
  virtual std::uint64_t size() const = 0;
  virtual Result<std::size_t> pread(std::span<std::byte> into, std::uint64_t offset) const = 0;
  // The same bytes, but only as far as they are at hand: fewer, or none, where they would have to be decoded, fetched or waited for (as
  // far as one can tell).
  virtual Result<std::size_t> pread_at_hand(std::span<std::byte> into, std::uint64_t offset) const {
    (void)into, (void)offset;
    return std::size_t{0};
  }
  // Those bytes will be asked for: whoever has to get them from far away gets them now, in one piece, and an error says
  // that they cannot be had. Nothing to do for the others.
  virtual Result<void> bring(std::uint64_t offset, std::uint64_t length) const {
    (void)offset, (void)length;
    return {};
  }
  // Somebody has read what is made of those bytes. For those who count it.
  virtual void need(std::uint64_t offset, std::uint64_t length) const {
    (void)offset, (void)length;
  }
  // Of bytes from far away: those that somebody needed, each once, and those that came, for whatever reason, since this began; and those
  // that were read from somebody's memory because there was no room for them on the disk, each time.
  struct Fetched {
    std::uint64_t needed = 0, came = 0, lent = 0;
  };
  virtual Fetched fetched() const { return {}; }
  // Where the bytes lie plain in a file: the descriptor and the offset of our byte 0 in it.
  struct Plain {
    FdRef fd;
    std::uint64_t offset;
  };
  virtual std::optional<Plain> plain() const { return std::nullopt; }
  // What lies plain in a file just now, from `offset` (below size()) on, and `length` bytes of it at most, which whoever asks will
  // take: `pin` keeps it there until it is dropped, also where other processes would take it away. Nothing: read it with pread().
  struct Stretch {
    FdRef fd;
    std::uint64_t fd_offset;
    std::uint64_t length;
    std::shared_ptr<const void> pin;  // may be null: then the source itself is enough
  };
  virtual std::optional<Stretch> stretch(std::uint64_t offset, std::uint64_t length) const {
    const auto where = plain();
    if (!where) return std::nullopt;
    return Stretch{where->fd, where->offset + offset, std::min(length, size() - offset), nullptr};
  }
};

using SourcePtr = std::shared_ptr<const ByteSource>;

// A whole file, or `length` bytes of it from `offset` on. EINVAL with words when the file is shorter.
Result<SourcePtr> file_source(Fd fd);
Result<SourcePtr> file_source(Fd fd, std::uint64_t offset, std::uint64_t length);
SourcePtr memory_source(std::vector<std::byte> bytes);

}  // namespace acetate
