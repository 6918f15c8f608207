// Work that nobody waits for, done beside everything else: one piece after another, in the order it came.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>

namespace acetate::build {

// Not copied nor moved. Thread-safe. The work must not throw; a piece is destroyed before the next is begun.
class Backlog {
 public:
  Backlog() = default;
  // Waits for all that was added.
  ~Backlog();
  Backlog(const Backlog&) = delete;
  Backlog& operator=(const Backlog&) = delete;

  // Where no thread is to be had it is done at once.
  void add(std::function<void()> work);

 private:
  void run();

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> waiting_;  // under mutex_
  bool is_over_ = false;                       // under mutex_
  std::thread thread_;                         // made under mutex_
};

}  // namespace acetate::build
