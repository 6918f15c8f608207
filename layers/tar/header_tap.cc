#include "layers/tar/header_tap.h"

#include <algorithm>

#include "base/bytes.h"

namespace acetate {

Result<std::span<const std::byte>> HeaderTap::next() {
  const std::size_t count = TRY(pass_.read(block_));
  const std::span<const std::byte> bytes = std::span(block_).first(count);

  if (keep_from_ >= read_) {
    kept_.clear();
    kept_begin_ = read_;
  } else if (keep_from_ > kept_begin_) {
    kept_.erase(kept_.begin(), kept_.begin() + static_cast<std::ptrdiff_t>(keep_from_ - kept_begin_));
    kept_begin_ = keep_from_;
  }
  read_ += count;
  // The inside of a large file goes by uncopied.
  if (keep_from_ < read_) {
    kept_.insert(kept_.end(), bytes.begin(), bytes.end());
  } else {
    kept_begin_ = read_;
  }
  return bytes;
}

std::span<const std::byte> HeaderTap::kept(std::uint64_t begin, std::uint64_t end) const {
  if (begin < kept_begin_ || end < begin || !in_bounds(begin - kept_begin_, end - begin, kept_.size())) return {};
  return std::span(kept_).subspan(begin - kept_begin_, end - begin);
}

}  // namespace acetate
