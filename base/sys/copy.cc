#include "base/sys/copy.h"

#include <linux/fs.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>

#include "base/sys/call.h"
#include "base/sys/file.h"

namespace acetate::sys {

namespace {

constexpr std::uint64_t kChunk = 8 << 20;
constexpr std::size_t kBuffer = 1 << 20;

// What copy_file_range answers where it cannot do it at all, as against failing half-way.
bool means_not_here(int code) {
  return code == EXDEV || code == EINVAL || code == ENOSYS || code == EOPNOTSUPP || code == EBADF ||
         code == EPERM || code == ETXTBSY;
}

class RangeCopier {
 public:
  RangeCopier(FdRef from, FdRef to) : from_(from), to_(to) {}

  // One extent of data; how much of it there was.
  Result<std::uint64_t> extent(std::uint64_t from_offset, std::uint64_t to_offset, std::uint64_t length) {
    std::uint64_t copied = 0;
    while (copied < length && !plain_) {
      auto in = static_cast<off64_t>(from_offset + copied);
      auto out = static_cast<off64_t>(to_offset + copied);
      auto count = checked(Call::copy_file_range, [&] {
        return ::copy_file_range(from_.fd, &in, to_.fd, &out, length - copied, 0);
      });
      if (!count) {
        if (!means_not_here(count.error().code())) return std::move(count).error();
        plain_ = true;
      } else if (*count == 0) {
        // The end of the file, or a file system that says 0 where it means "not here" (procfs, some FUSE).
        plain_ = true;
      } else {
        copied += static_cast<std::uint64_t>(*count);
      }
    }
    if (copied == length) return copied;
    if (!buffer_) buffer_.reset(new std::byte[kBuffer]);
    while (copied < length) {
      const std::size_t want = static_cast<std::size_t>(std::min<std::uint64_t>(kBuffer, length - copied));
      const std::size_t count = TRY(pread(from_, {buffer_.get(), want}, from_offset + copied));
      if (count == 0) return copied;
      TRY(pwrite_full(to_, {buffer_.get(), count}, to_offset + copied));
      copied += count;
    }
    return copied;
  }

 private:
  FdRef from_;
  FdRef to_;
  bool plain_ = false;
  std::unique_ptr<std::byte[]> buffer_;
};

}  // namespace

Result<std::uint64_t> copy_range(FdRef from, std::uint64_t from_offset, FdRef to, std::uint64_t to_offset,
                                 std::uint64_t length, const std::function<bool()>& keep_going) {
  RangeCopier copier(from, to);
  const std::uint64_t end = from_offset + length;
  std::uint64_t at = from_offset;
  while (at < end) {
    std::uint64_t data = at;
    std::uint64_t hole = end;
    auto found = lseek(from, static_cast<std::int64_t>(at), SEEK_DATA);
    if (found) {
      data = *found;
      if (data >= end) return length;
      auto next = lseek(from, static_cast<std::int64_t>(data), SEEK_HOLE);
      if (next) hole = std::min(*next, end);
    } else if (found.error().is(ENXIO)) {
      return length;  // nothing but a hole from here on, or past the end
    }  // else: no SEEK_DATA here, it is all data
    for (std::uint64_t chunk = data; chunk < hole;) {
      if (keep_going && !keep_going()) return Error(EINTR);
      const std::uint64_t want = std::min(kChunk, hole - chunk);
      const std::uint64_t got = TRY(copier.extent(chunk, to_offset + (chunk - from_offset), want));
      chunk += got;
      if (got < want) return chunk - from_offset;
    }
    at = hole;
  }
  return length;
}

Result<std::uint64_t> copy_bytes(FdRef from, std::uint64_t from_offset, FdRef to, std::uint64_t to_offset, std::uint64_t length) {
  return RangeCopier(from, to).extent(from_offset, to_offset, length);
}

Result<void> copy_file(FdRef from, FdRef to, const std::function<bool()>& keep_going) {
  auto cloned = done(Call::ficlone, [&] { return ::ioctl(to.fd, FICLONE, from.fd); });
  if (cloned) return {};
  const auto code = cloned.error().code();
  if (code == ENOSPC || code == EDQUOT || code == EIO) return cloned;
  const auto size = static_cast<std::uint64_t>(TRY(stat(from)).st_size);
  TRY(truncate(to, size));
  TRY(copy_range(from, 0, to, 0, size, keep_going));
  return {};
}

Result<std::size_t> copy_file_range(FdRef from, std::uint64_t from_offset, FdRef to, std::uint64_t to_offset,
                                    std::size_t length) {
  auto in = static_cast<off64_t>(from_offset);
  auto out = static_cast<off64_t>(to_offset);
  return static_cast<std::size_t>(TRY(checked(
      Call::copy_file_range, [&] { return ::copy_file_range(from.fd, &in, to.fd, &out, length, 0); })));
}

}  // namespace acetate::sys
