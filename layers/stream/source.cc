#include "layers/stream/source.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/bytes.h"
#include "base/sys/file.h"

namespace acetate {

namespace {

class FileSource final : public ByteSource {
 public:
  FileSource(Fd fd, std::uint64_t offset, std::uint64_t length)
      : fd_(std::move(fd)), offset_(offset), length_(length) {}

  std::uint64_t size() const override { return length_; }

  Result<std::size_t> pread(std::span<std::byte> into, std::uint64_t offset) const override {
    if (offset >= length_) return std::size_t{0};
    const auto count = static_cast<std::size_t>(std::min<std::uint64_t>(into.size(), length_ - offset));
    const std::size_t got = TRY(sys::pread_full(fd_.ref(), into.first(count), offset_ + offset));
    // A file that shrank while we hold it must not look like the end of the bytes.
    if (got < count) {
      return fail(EIO, "the file ends at byte {}, but {} bytes were there when it was opened",
                  offset_ + offset + got, offset_ + length_);
    }
    return got;
  }

  Result<std::size_t> pread_at_hand(std::span<std::byte> into, std::uint64_t offset) const override {
    if (offset >= length_) return std::size_t{0};
    const auto count = static_cast<std::size_t>(std::min<std::uint64_t>(into.size(), length_ - offset));
    return sys::pread_nowait(fd_.ref(), into.first(count), offset_ + offset);
  }

  std::optional<Plain> plain() const override { return Plain{fd_.ref(), offset_}; }

 private:
  Fd fd_;
  std::uint64_t offset_;
  std::uint64_t length_;
};

class MemorySource final : public ByteSource {
 public:
  explicit MemorySource(std::vector<std::byte> bytes) : bytes_(std::move(bytes)) {}

  std::uint64_t size() const override { return bytes_.size(); }

  Result<std::size_t> pread(std::span<std::byte> into, std::uint64_t offset) const override {
    if (offset >= bytes_.size()) return std::size_t{0};
    const auto from = std::span(bytes_).subspan(static_cast<std::size_t>(offset));
    const std::size_t count = std::min(into.size(), from.size());
    if (count > 0) std::memcpy(into.data(), from.data(), count);
    return count;
  }
  Result<std::size_t> pread_at_hand(std::span<std::byte> into, std::uint64_t offset) const override { return pread(into, offset); }

 private:
  std::vector<std::byte> bytes_;
};

Result<std::uint64_t> regular_size(FdRef fd) {
  const struct stat st = TRY(sys::stat(fd));
  if (!S_ISREG(st.st_mode)) return fail(EINVAL, "not a regular file, so it cannot be read at any offset");
  return static_cast<std::uint64_t>(st.st_size);
}

}  // namespace

Result<SourcePtr> file_source(Fd fd) {
  const std::uint64_t size = TRY(regular_size(fd.ref()));
  return SourcePtr(std::make_shared<FileSource>(std::move(fd), 0, size));
}

Result<SourcePtr> file_source(Fd fd, std::uint64_t offset, std::uint64_t length) {
  const std::uint64_t size = TRY(regular_size(fd.ref()));
  if (!in_bounds(offset, length, size)) {
    return fail(EINVAL, "{} bytes were expected at offset {}, but the file has only {}", length, offset, size);
  }
  return SourcePtr(std::make_shared<FileSource>(std::move(fd), offset, length));
}

SourcePtr memory_source(std::vector<std::byte> bytes) {
  return std::make_shared<MemorySource>(std::move(bytes));
}

}  // namespace acetate
