// Memory of forgotten inodes, given back to the system.
//
// A walk of a whole image makes tens of thousands of inodes, and when the kernel forgets them malloc keeps their pages:
// measured, a daemon stayed at its largest size for ever. malloc_trim(3) gives back whole free pages, also between used
// ones, but takes milliseconds: so only when most of many inodes are gone.
#pragma once

#include <atomic>
#include <cstdint>

namespace acetate::fs {

class GiveBack {
 public:
  // After a FORGET, with how many inodes are left: whether it is time. Thread-safe; true once a time.
  bool is_due(std::uint64_t left) noexcept {
    std::uint64_t most = most_.load(std::memory_order_relaxed);
    if (left > most) {
      most_.store(left, std::memory_order_relaxed);  // a racing smaller one only makes it due later
      return false;
    }
    return most >= kMany && left < most / 4 && most_.compare_exchange_strong(most, left, std::memory_order_relaxed);
  }
  // is_due(), and does it.
  void forgot(std::uint64_t left) noexcept;

  static constexpr std::uint64_t kMany = 8192;

 private:
  std::atomic<std::uint64_t> most_{0};  // since it was last time
};

}  // namespace acetate::fs
