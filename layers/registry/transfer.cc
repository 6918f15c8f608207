#include "layers/registry/transfer.h"

#include <algorithm>
#include <mutex>
#include <optional>
#include <system_error>
#include <thread>

#include "base/mutex.h"

namespace acetate::registry {

namespace {

class Transfers {
 public:
  Transfers(std::vector<image::Descriptor> blobs, const TransferEvents& events, const TransferOne& one)
      : blobs_(std::move(blobs)), events_(events), one_(one) {}

  Result<void> run(int at_once) {
    std::vector<std::thread> threads;
    const auto count = std::min<std::size_t>(blobs_.size(), static_cast<std::size_t>(std::max(at_once, 1)));
    try {
      while (threads.size() < count) threads.emplace_back([this] { work(); });
    } catch (const std::system_error&) {
      // As many processes as there may be: with fewer it is slower, and without any this thread does it.
      if (threads.empty()) work();
    }
    for (auto& thread : threads) thread.join();
    const Lock lock(mutex_);
    if (failure_) return std::move(*failure_);
    return {};
  }

 private:
  void work() {
    while (const auto* blob = next()) {
      auto ended = one_(*blob, [&](std::uint64_t done) { return tell(*blob, TransferState::moving, done); });
      if (ended)
        tell(*blob, *ended, blob->size);
      else
        fail_with(std::move(ended).error());
    }
  }

  const image::Descriptor* next() {
    const Lock lock(mutex_);
    return failure_ || next_ == blobs_.size() ? nullptr : &blobs_[next_++];
  }

  bool tell(const image::Descriptor& blob, TransferState state, std::uint64_t done) {
    const Lock lock(mutex_);
    if (events_) events_(blob, state, done);
    return !failure_;
  }

  void fail_with(Error error) {
    const Lock lock(mutex_);
    if (!failure_) failure_ = std::move(error);  // those that follow were only told to stop
  }

  const std::vector<image::Descriptor> blobs_;
  const TransferEvents& events_;
  const TransferOne& one_;
  Mutex mutex_;
  std::size_t next_ GUARDED_BY(mutex_) = 0;
  std::optional<Error> failure_ GUARDED_BY(mutex_);
};

}  // namespace

Result<void> transfer_all(std::vector<image::Descriptor> blobs, int at_once, const TransferEvents& events,
                          const TransferOne& one) {
  std::ranges::stable_sort(blobs, std::greater(), &image::Descriptor::size);
  return Transfers(std::move(blobs), events, one).run(at_once);
}

}  // namespace acetate::registry
