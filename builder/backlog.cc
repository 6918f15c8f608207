#include "builder/backlog.h"

#include <system_error>
#include <utility>

#include "base/sys/signals.h"

namespace acetate::build {

void Backlog::add(std::function<void()> work) {
  {
    const std::lock_guard lock(mutex_);
    if (!thread_.joinable()) {
      const sys::SignalsHeldBack held;  // they are for who waits for them
      try {
        thread_ = std::thread([this] { run(); });
      } catch (const std::system_error&) {
        // As many processes as there may be.
      }
    }
    if (thread_.joinable()) {
      waiting_.push_back(std::move(work));
      changed_.notify_one();
      return;
    }
  }
  work();
}

Backlog::~Backlog() {
  {
    const std::lock_guard lock(mutex_);
    is_over_ = true;
    changed_.notify_one();
  }
  if (thread_.joinable()) thread_.join();
}

void Backlog::run() {
  for (;;) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return is_over_ || !waiting_.empty(); });
    if (waiting_.empty()) return;
    const std::function<void()> work = std::move(waiting_.front());
    waiting_.pop_front();
    lock.unlock();
    work();
  }
}

}  // namespace acetate::build
