// ReadAhead: decodes, on a thread of its own, what a sequential reader will ask for next.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>

#include "base/mutex.h"

namespace acetate {

// Thread-safe. A job must not block on anything but decoding.
class ReadAhead {
 public:
  // The one of the process; its thread begins with the first job. Never destroyed.
  static ReadAhead& process();

  // Soon, perhaps: of more than a few jobs that wait, the oldest is dropped.
  void ask(const void* owner, std::function<void()> job);
  // No job of this owner runs or will run.
  void forget(const void* owner);

 private:
  static constexpr std::size_t kMostWaiting = 4;
  struct Job {
    const void* owner;
    std::function<void()> work;
  };
  void work();

  Mutex mutex_;
  std::condition_variable_any changed_;
  std::deque<Job> waiting_ GUARDED_BY(mutex_);
  const void* running_ GUARDED_BY(mutex_) = nullptr;
  bool started_ GUARDED_BY(mutex_) = false;
};

}  // namespace acetate
