#include "layers/stream/read_ahead.h"

#include <system_error>
#include <thread>
#include <utility>

namespace acetate {

ReadAhead& ReadAhead::process() {
  static auto* ahead = new ReadAhead();  // never destroyed: its thread outlives everything
  return *ahead;
}

void ReadAhead::ask(const void* owner, std::function<void()> job) {
  Job dropped{};  // freed without the lock
  Lock lock(mutex_);
  if (!started_) {
    try {
      std::thread([this] { work(); }).detach();
    } catch (const std::system_error&) {
      return;  // no thread to be had: readers decode for themselves
    }
    started_ = true;
  }
  waiting_.push_back({owner, std::move(job)});
  if (waiting_.size() > kMostWaiting) {
    dropped = std::move(waiting_.front());
    waiting_.pop_front();
  }
  changed_.notify_all();
}

void ReadAhead::forget(const void* owner) {
  Lock lock(mutex_);
  std::erase_if(waiting_, [&](const Job& job) { return job.owner == owner; });
  while (running_ == owner) changed_.wait(mutex_);
}

void ReadAhead::work() {
  for (;;) {
    Job job{};
    {
      Lock lock(mutex_);
      while (waiting_.empty()) changed_.wait(mutex_);
      job = std::move(waiting_.front());
      waiting_.pop_front();
      running_ = job.owner;
    }
    job.work();
    job.work = nullptr;
    Lock lock(mutex_);
    running_ = nullptr;
    changed_.notify_all();
  }
}

}  // namespace acetate
