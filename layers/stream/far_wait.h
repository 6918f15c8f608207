// FarWait: how long readers waited for bytes that were not here.
//
// Whoever waits for bytes from far away says so to his thread (FarWait::Here). Those who wait for what another thread decodes wait
// for its bytes too (SpanCache hands that on). A reader's call is one wait when its thread waited in it, for however many pieces;
// what is decoded or fetched before anybody asks is none, until somebody does.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

namespace acetate {

class FarWait {
 public:
  using Clock = std::chrono::steady_clock;

  // Held while this thread waits.
  class Here {
   public:
    Here() noexcept : begin_(Clock::now()) {}
    Here(const Here&) = delete;
    Here& operator=(const Here&) = delete;
    ~Here() { until(begin_, Clock::now()); }

   private:
    const Clock::time_point begin_;
  };

  // All that this thread waited until now, and when it last did. Only differences tell anything.
  static Clock::duration so_far() noexcept;
  static Clock::time_point last_end() noexcept;
  // This thread has waited since `begin` for what another one had at `end`: not at all where that was before.
  static void until(Clock::time_point begin, Clock::time_point end) noexcept;
};

// The calls of one source's readers that waited. Thread-safe.
class FarWaits {
 public:
  // Held for a reader's call. Calls in a call are one.
  class Call {
   public:
    explicit Call(FarWaits& counts) noexcept : counts_(counts), before_(FarWait::so_far()) {}
    Call(const Call&) = delete;
    Call& operator=(const Call&) = delete;
    ~Call() {
      if (const auto waited = FarWait::so_far() - before_; waited.count() > 0) counts_.add(waited);
    }

   private:
    FarWaits& counts_;
    const FarWait::Clock::duration before_;
  };

  std::uint64_t count() const noexcept { return count_.load(std::memory_order_relaxed); }
  std::chrono::nanoseconds time() const noexcept { return std::chrono::nanoseconds(time_.load(std::memory_order_relaxed)); }

 private:
  void add(FarWait::Clock::duration waited) noexcept {
    count_.fetch_add(1, std::memory_order_relaxed);
    time_.fetch_add(std::chrono::nanoseconds(waited).count(), std::memory_order_relaxed);
  }

  std::atomic<std::uint64_t> count_ = 0;
  std::atomic<std::int64_t> time_ = 0;
};

}  // namespace acetate
