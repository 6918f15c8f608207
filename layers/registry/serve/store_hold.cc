#include "layers/registry/serve/store_hold.h"

#include <algorithm>
#include <utility>

namespace acetate::registry {

Result<StoreHold::Store> StoreHold::store() {
  {
    const Lock lock(mutex_);
    if (auto store = opened_.lock()) return store;
  }
  auto store = TRY(open_());  // which waits for somebody who collects garbage
  const Lock lock(mutex_);
  if (auto other = opened_.lock()) return other;
  opened_ = store;
  return store;
}

void StoreHold::expect_manifest(const Store& store, const Digest& blob, std::chrono::minutes patience) {
  const Lock lock(mutex_);
  if (store_ == nullptr) store_ = store;
  auto& until = expected_[blob];
  until = std::max(until, Clock::now() + patience);
}

void StoreHold::found_manifest(std::span<const Digest> blobs) {
  Store gone;
  const Lock lock(mutex_);
  for (const auto& blob : blobs) expected_.erase(blob);
  gone = release_locked();
}

void StoreHold::tidy() {
  Store gone;
  const Lock lock(mutex_);
  std::erase_if(expected_, [now = Clock::now()](const auto& each) { return each.second < now; });
  gone = release_locked();
}

StoreHold::Store StoreHold::release_locked() { return expected_.empty() ? std::exchange(store_, nullptr) : nullptr; }

}  // namespace acetate::registry
