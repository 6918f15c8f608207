// Keeps garbage collection away from blobs that clients have put in, or have been told are here, before the manifest comes that names them.
//
// It does so by having the store open (image_store.h), and no longer than there is such a blob: whoever collects garbage waits for that.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <span>

#include "base/mutex.h"
#include "layers/image/image_store.h"

namespace acetate::registry {

// Thread-safe.
class StoreHold {
 public:
  using Store = std::shared_ptr<image::ImageStore>;
  // `open`: the store, anew.
  explicit StoreHold(std::function<Result<Store>()> open) : open_(std::move(open)) {}

  // The store, to put something in or to find what must stay: one for all who have it at the same time.
  Result<Store> store();

  // A client that put a blob in and does not come back; one that asked for it, and perhaps wanted to know no more.
  static constexpr std::chrono::minutes kPutIn{10}, kAskedFor{1};

  // Until a manifest names the blob, or that much time has passed.
  void expect_manifest(const Store& store, const Digest& blob, std::chrono::minutes patience = kPutIn);
  void found_manifest(std::span<const Digest> blobs);
  // To be called now and then.
  void tidy();

 private:
  using Clock = std::chrono::steady_clock;
  // To be let go of by the caller, without the lock.
  Store release_locked() REQUIRES(mutex_);

  const std::function<Result<Store>()> open_;
  Mutex mutex_;
  std::weak_ptr<image::ImageStore> opened_ GUARDED_BY(mutex_);
  Store store_ GUARDED_BY(mutex_);
  std::map<Digest, Clock::time_point> expected_ GUARDED_BY(mutex_);  // until when
};

}  // namespace acetate::registry
