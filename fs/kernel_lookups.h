// KernelLookups: how often the kernel was given an inode, and has not forgotten it yet (FUSE's nlookup), in four bytes.
#pragma once

#include <atomic>
#include <cstdint>

namespace acetate::fs {

// Changed under a mutex of the caller's, and read without. A count that comes to the end of its numbers stays there: such an inode is kept until the
// mount ends, which costs its memory, where forgetting it too early would cost somebody his file.
class KernelLookups {
 public:
  static constexpr std::uint32_t kMost = UINT32_MAX;
  explicit KernelLookups(std::uint32_t count = 0) noexcept : count_(count) {}

  bool any() const noexcept { return count_.load(std::memory_order_relaxed) != 0; }
  // One more. True for the first.
  bool add() noexcept {
    const std::uint32_t before = count_.load(std::memory_order_relaxed);
    if (before != kMost) count_.store(before + 1, std::memory_order_relaxed);
    return before == 0;
  }
  // So many are forgotten. True when these were the last; false too when there were none.
  bool take(std::uint64_t forgotten) noexcept {
    const std::uint32_t before = count_.load(std::memory_order_relaxed);
    if (before == 0 || before == kMost) return false;
    const std::uint32_t left = forgotten < before ? before - static_cast<std::uint32_t>(forgotten) : 0;
    count_.store(left, std::memory_order_relaxed);
    return left == 0;
  }
  // The mount has ended. True when there were any.
  bool clear() noexcept { return count_.exchange(0, std::memory_order_relaxed) != 0; }

 private:
  std::atomic<std::uint32_t> count_;
};

}  // namespace acetate::fs
