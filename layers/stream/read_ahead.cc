#include "layers/stream/read_ahead.h"

#include <algorithm>
#include <new>
#include <system_error>
#include <thread>
#include <utility>

namespace acetate {

ReadAhead& ReadAhead::process() {
  static auto* ahead = new ReadAhead(std::max(std::thread::hardware_concurrency(), 1U));  // never destroyed: see the header
  return *ahead;
}

void ReadAhead::ask(const void* owner, std::function<void()> job) {
  Job dropped;  // freed without the lock
  Lock lock(mutex_);
  if (!start_locked()) return;
  waiting_.push_back({owner, [job = std::move(job)] {
                        job();
                        return true;
                      }});
  if (waiting_.size() > kMostWaiting) {
    dropped = std::move(waiting_.front());
    waiting_.pop_front();
  }
  changed_.notify_all();
}

void ReadAhead::later(const void* owner, std::vector<Later> jobs) {
  Lock lock(mutex_);
  if (jobs.empty() || !start_locked()) return;
  for (Later& job : jobs) later_.emplace(job.order, Job{owner, std::move(job.work)});
  changed_.notify_all();
}

// False: no thread is to be had, and readers decode for themselves.
bool ReadAhead::start_locked() {
  if (started_) return true;
  try {
    std::thread([this] { work(); }).detach();
  } catch (const std::system_error&) {
    return false;
  }
  return started_ = true;
}

void ReadAhead::forget(const void* owner) {
  Lock lock(mutex_);
  std::erase_if(waiting_, [&](const Job& job) { return job.owner == owner; });
  std::erase_if(later_, [&](const auto& job) { return job.second.owner == owner; });
  while (running_ == owner) changed_.wait(mutex_);
}

void ReadAhead::count_reader(int change) {
  Lock lock(mutex_);
  readers_ += static_cast<unsigned>(change);
  if (change < 0 && !later_.empty()) changed_.notify_all();
}

bool ReadAhead::next_locked(Job& job) {
  if (!waiting_.empty()) {
    job = std::move(waiting_.front());
    waiting_.pop_front();
    return true;
  }
  if (later_.empty() || readers_ >= processors_) return false;
  job = std::move(later_.begin()->second);
  later_.erase(later_.begin());
  return true;
}

void ReadAhead::work() {
  for (;;) {
    Job job;
    {
      Lock lock(mutex_);
      while (!next_locked(job)) changed_.wait(mutex_);
      running_ = job.owner;
    }
    bool goes_on = false;
    try {
      goes_on = job.work();
    } catch (const std::bad_alloc&) {  // whoever reads it is told; nobody asked us
    }
    job.work = nullptr;
    Lock lock(mutex_);
    if (!goes_on) std::erase_if(later_, [&](const auto& other) { return other.second.owner == job.owner; });
    running_ = nullptr;
    changed_.notify_all();
  }
}

}  // namespace acetate
