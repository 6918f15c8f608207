#include "layers/plain_file.h"

#include <unistd.h>

#include <algorithm>

#include "base/sys/file.h"

namespace acetate {

namespace {

class PlainFile final : public FileView {
 public:
  PlainFile(Fd file, std::uint64_t size) : file_(std::make_shared<const Fd>(std::move(file))), size_(size) {}

  std::uint64_t size() const override { return size_; }

  Result<std::size_t> pread(std::span<std::byte> into, std::uint64_t offset) const override {
    if (offset >= size_) return std::size_t{0};
    const auto count = static_cast<std::size_t>(std::min<std::uint64_t>(into.size(), size_ - offset));
    return sys::pread_full(file_->ref(), into.first(count), offset);
  }

  Result<std::size_t> pread_at_hand(std::span<std::byte> into, std::uint64_t offset) const override {
    if (offset >= size_) return std::size_t{0};
    const auto count = static_cast<std::size_t>(std::min<std::uint64_t>(into.size(), size_ - offset));
    return sys::pread_nowait(file_->ref(), into.first(count), offset);
  }

  // The whole rest of the file: a hole reads as zeroes from the file itself, and copy_file_range knows it.
  std::optional<Extent> extent(std::uint64_t offset) const override {
    if (offset >= size_) return std::nullopt;
    return Extent{.fd = file_->ref(), .fd_offset = offset, .length = size_ - offset, .pin = file_};
  }

  Segment segment(std::uint64_t offset) const override {
    const Segment all_data{offset, size_ - offset, false};
    const auto data = sys::lseek(file_->ref(), static_cast<std::int64_t>(offset), SEEK_DATA);
    if (!data) {
      // ENXIO: nothing but a hole up to the end. Any other answer: the file system does not know holes.
      return data.error().is(ENXIO) ? Segment{offset, size_ - offset, true} : all_data;
    }
    if (*data > offset) return {offset, std::min(*data, size_) - offset, true};
    const auto hole = sys::lseek(file_->ref(), static_cast<std::int64_t>(offset), SEEK_HOLE);
    if (!hole || *hole <= offset) return all_data;
    return {offset, std::min(*hole, size_) - offset, false};
  }

 private:
  std::shared_ptr<const Fd> file_;
  std::uint64_t size_;
};

}  // namespace

std::unique_ptr<FileView> plain_file_view(Fd file, std::uint64_t size) {
  return std::make_unique<PlainFile>(std::move(file), size);
}

}  // namespace acetate
