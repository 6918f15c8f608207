// Precedence: what somebody waits for comes before what somebody may want.
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>

namespace acetate::registry {

// Thread-safe; its lock is a leaf.
class Precedence {
 public:
  // Between them something is fetched that somebody waits for. As often as one likes, and side by side.
  void begin() {
    const std::lock_guard lock(mutex_);
    ++urgent_;
  }
  void end() {
    const std::lock_guard lock(mutex_);
    if (--urgent_ == 0) none_.notify_all();
  }
  // Returns when nothing of that kind is under way, after `most` at the latest.
  void yield(std::chrono::milliseconds most) {
    std::unique_lock lock(mutex_);
    none_.wait_for(lock, most, [&] { return urgent_ == 0; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable none_;
  int urgent_ = 0;
};

}  // namespace acetate::registry
