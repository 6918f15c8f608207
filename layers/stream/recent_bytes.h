// The last 32 KiB of a stream: what the window of a checkpoint is made of.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

#include "layers/stream/window.h"

namespace acetate {

class RecentBytes {
 public:
  RecentBytes() : ring_(kWindowBytes) {}

  void append(std::span<const std::byte> bytes) {
    bytes = bytes.last(std::min(bytes.size(), kWindowBytes));
    const std::size_t to_end = std::min(bytes.size(), kWindowBytes - at_);
    std::copy_n(bytes.begin(), to_end, ring_.begin() + static_cast<std::ptrdiff_t>(at_));
    std::copy(bytes.begin() + static_cast<std::ptrdiff_t>(to_end), bytes.end(), ring_.begin());
    at_ = (at_ + bytes.size()) % kWindowBytes;
    filled_ = std::min(filled_ + bytes.size(), kWindowBytes);
  }

  // In stream order.
  std::vector<std::byte> window() const {
    std::vector<std::byte> out;
    out.reserve(filled_);
    const auto middle = ring_.begin() + static_cast<std::ptrdiff_t>(at_);
    if (filled_ == kWindowBytes) out.assign(middle, ring_.end());
    out.insert(out.end(), ring_.begin(), middle);
    return out;
  }

 private:
  std::vector<std::byte> ring_;
  std::size_t at_ = 0;
  std::size_t filled_ = 0;
};

}  // namespace acetate
