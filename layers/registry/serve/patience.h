// How long a peer may keep us waiting while it sends something or takes it.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>

namespace acetate::registry {

// Waiting uses it up, and bytes that move bring some back: so a slow line is served to the end, however long that takes, and one over which a byte comes
// now and then is not. Not thread-safe.
class Patience {
 public:
  using Milliseconds = std::chrono::milliseconds;
  static constexpr std::size_t kBytesPerSecond = 1000;

  explicit Patience(Milliseconds most) : most_(most), left_(most) {}

  Milliseconds left() const { return left_; }
  void waited(Milliseconds time) { left_ -= std::min(time, left_); }
  void moved(std::size_t bytes) { left_ = std::min(most_, left_ + Milliseconds(bytes * 1000 / kBytesPerSecond)); }

 private:
  Milliseconds most_, left_;
};

}  // namespace acetate::registry
