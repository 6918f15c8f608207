// A mutex of four bytes: an overlay holds one for every inode the kernel knows, and std::mutex has forty.
#pragma once

#include <atomic>
#include <cstdint>

#include "base/mutex.h"

namespace acetate::fs {

class CAPABILITY("mutex") SmallMutex {
 public:
  void lock() noexcept ACQUIRE() {
    std::uint32_t free = kFree;
    if (state_.compare_exchange_strong(free, kHeld, std::memory_order_acquire)) return;
    while (state_.exchange(kAwaited, std::memory_order_acquire) != kFree)
      state_.wait(kAwaited, std::memory_order_relaxed);
  }
  void unlock() noexcept RELEASE() {
    if (state_.exchange(kFree, std::memory_order_release) == kAwaited) state_.notify_one();
  }

 private:
  static constexpr std::uint32_t kFree = 0, kHeld = 1, kAwaited = 2;
  std::atomic<std::uint32_t> state_{kFree};
};

}  // namespace acetate::fs
