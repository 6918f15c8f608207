// What the fetcher has to do besides answering: blobs that are wanted whole. Those that somebody waits for come at once,
// several side by side; of the others first what is likely to be read soon (read_order.h, ahead_queue.h), which gives way to what
// somebody waits for, and the rest one by one, while nobody waits for anything.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "layers/registry/fetcher/ahead_queue.h"
#include "layers/registry/fetcher/blob_fetch.h"
#include "layers/registry/fetcher/blob_places.h"
#include "layers/registry/fetcher/precedence.h"
#include "layers/registry/fetcher/read_order.h"
#include "layers/registry/fetcher/spare_blocks.h"

namespace acetate::registry {

// Thread-safe.
class Work {
 public:
  // Makes what is whole part of the store: called once a blob, on a thread of ours.
  using Whole = std::function<Result<void>(const BlobFetch& fetch)>;
  // Asked once a blob, when it is first wanted.
  using Order = std::function<std::vector<OrderedRun>(const BlobFetch& fetch)>;

  Work(std::string dir, std::chrono::milliseconds quiet, Whole whole, Order order);
  ~Work();  // gives up what is under way

  // Before all else, once: the threads. Of each kind one is needed (EAGAIN with words); with fewer than there might be it is slower.
  Result<void> start();

  // ENOENT with words when nobody has said where it comes from, or it is whole.
  Result<std::shared_ptr<BlobFetch>> find(const Digest& blob);
  // BlobFetch::fetch(), for somebody who waits.
  Result<void> fetch(BlobFetch& fetch, std::uint64_t first, std::uint64_t end, std::chrono::milliseconds patience);
  // BlobFetch::lend(), for somebody who waits.
  Result<std::vector<std::byte>> lend(BlobFetch& fetch, std::uint64_t block, std::chrono::milliseconds patience);
  // Wants it whole: soon, or when it is quiet. Quietly it is tried again from time to time while the disk has no room for it.
  void want(const std::shared_ptr<BlobFetch>& fetch, bool soon);
  // Waits until it is whole, or cannot be.
  Result<void> wait(const std::shared_ptr<BlobFetch>& fetch);
  bool is_idle() const;

 private:
  enum class State { known, wanted, whole, failed };
  struct Entry {
    std::shared_ptr<BlobFetch> fetch = {};
    State state = State::known;
    bool is_running = false;
    std::atomic<bool> is_soon = false;  // somebody waits
    std::optional<Error> failure = {};
    bool is_ordered = false;               // its order was asked for
    std::chrono::steady_clock::time_point not_before = {};  // the disk had no room for it a moment ago
  };

  void run(bool soon);
  std::shared_ptr<Entry> next(bool soon) const;
  void run_ahead();
  bool is_quiet() const;

  const std::string dir_;
  const std::chrono::milliseconds quiet_;
  const Whole whole_;
  const Order order_;
  RemotePool pool_;
  SpareBlocks spare_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::map<Digest, std::shared_ptr<Entry>> entries_;  // those that are not whole
  AheadQueue ahead_;
  std::chrono::steady_clock::time_point gather_until_ = {};  // before that nothing of it is asked for
  Precedence precedence_;
  std::atomic<bool> ending_ = false;
  std::atomic<int> waiting_ = 0;                     // fetches that somebody waits for
  std::atomic<std::chrono::steady_clock::rep> last_demand_ = 0;
  std::vector<std::thread> threads_;
};

}  // namespace acetate::registry
