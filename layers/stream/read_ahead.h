// ReadAhead: decodes, on a thread of its own, what readers will ask for: what a sequential one comes to next, and when there is
// nothing of that kind, what earlier runs came to (read_trace.h).
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <vector>

#include "base/mutex.h"

namespace acetate {

// Thread-safe. A job must not block on anything but decoding. Its thread, once begun, outlives everything, and so must this.
class ReadAhead {
 public:
  // The one of the process; its thread begins with the first job. Never destroyed.
  static ReadAhead& process();
  // `processors`: how many decode at once, readers and this one together.
  explicit ReadAhead(unsigned processors) : processors_(processors) {}
  ReadAhead(const ReadAhead&) = delete;
  ReadAhead& operator=(const ReadAhead&) = delete;

  // Soon, perhaps: of more than a few jobs that wait, the oldest is dropped.
  void ask(const void* owner, std::function<void()> job);
  // When nothing else is to be done and not all processors decode for readers; those of all owners by rising order. False:
  // what is left of the owner's is dropped.
  struct Later {
    std::uint64_t order = 0;
    std::function<bool()> work;
  };
  void later(const void* owner, std::vector<Later> jobs);
  // No job of this owner runs or will run.
  void forget(const void* owner);

  // Held while somebody who waits for the bytes decodes.
  class Reading {
   public:
    explicit Reading(ReadAhead& ahead) : ahead_(ahead) { ahead_.count_reader(+1); }
    Reading(const Reading&) = delete;
    Reading& operator=(const Reading&) = delete;
    ~Reading() { ahead_.count_reader(-1); }

   private:
    ReadAhead& ahead_;
  };

 private:
  static constexpr std::size_t kMostWaiting = 4;
  struct Job {
    const void* owner = nullptr;
    std::function<bool()> work;
  };
  bool start_locked() REQUIRES(mutex_);
  bool next_locked(Job& job) REQUIRES(mutex_);
  void count_reader(int change);
  void work();

  const unsigned processors_;
  Mutex mutex_;
  std::condition_variable_any changed_;
  std::deque<Job> waiting_ GUARDED_BY(mutex_);
  std::multimap<std::uint64_t, Job> later_ GUARDED_BY(mutex_);
  const void* running_ GUARDED_BY(mutex_) = nullptr;
  unsigned readers_ GUARDED_BY(mutex_) = 0;
  bool started_ GUARDED_BY(mutex_) = false;
};

}  // namespace acetate
