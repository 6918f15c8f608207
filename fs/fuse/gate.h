// Gate: any number of operations at once, and now and then somebody who must be alone (a refresh of the layers).
//
// Entering costs an operation two additions on a cache line that its thread hardly shares; whoever must be alone pays
// the rest: he closes the gate, and waits until everybody has left.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>

#include "base/mutex.h"

namespace acetate::fs {

class Gate {
 public:
  // Held by an operation from before it asks the overlay anything until it has answered.
  class Pass {
   public:
    explicit Pass(Gate& gate) noexcept : gate_(gate), count_(gate.inside_[slot()].count) { enter(); }
    ~Pass() {
      count_.fetch_sub(1);
      if (gate_.closed_.load()) count_.notify_all();
    }
    Pass(const Pass&) = delete;
    Pass& operator=(const Pass&) = delete;

   private:
    void enter() noexcept {
      for (;;) {
        count_.fetch_add(1);
        if (!gate_.closed_.load()) return;
        count_.fetch_sub(1);
        count_.notify_all();
        gate_.closed_.wait(true);
      }
    }
    Gate& gate_;
    std::atomic<std::uint32_t>& count_;
  };

  class Alone {
   public:
    explicit Alone(Gate& gate) : gate_(gate), one_(gate.one_at_a_time_) {
      gate_.closed_.store(true);
      for (Inside& inside : gate_.inside_)
        for (std::uint32_t count = inside.count.load(); count != 0; count = inside.count.load()) inside.count.wait(count);
    }
    ~Alone() {
      gate_.closed_.store(false);
      gate_.closed_.notify_all();
    }
    Alone(const Alone&) = delete;
    Alone& operator=(const Alone&) = delete;

   private:
    Gate& gate_;
    Lock<Mutex> one_;
  };

 private:
  static constexpr std::size_t kSlots = 16;
  struct alignas(64) Inside {
    std::atomic<std::uint32_t> count{0};
  };
  static std::size_t slot() noexcept {
    static std::atomic<std::size_t> next{0};
    thread_local const std::size_t mine = next.fetch_add(1, std::memory_order_relaxed) % kSlots;
    return mine;
  }

  std::array<Inside, kSlots> inside_;
  std::atomic<bool> closed_{false};
  Mutex one_at_a_time_;
};

}  // namespace acetate::fs
