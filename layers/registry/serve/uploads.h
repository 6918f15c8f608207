// Uploads under way: blobs that clients send in one piece or in many, over as many requests as they like.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "base/mutex.h"
#include "layers/image/layout.h"

namespace acetate::registry {

// One upload. Its mutex is held while bytes are written, so that two requests for one do not mix.
struct UploadSession {
  std::string repository;
  Mutex mutex;
  std::unique_ptr<image::BlobWriter> writer GUARDED_BY(mutex);  // null once it is finished
  std::chrono::steady_clock::time_point touched GUARDED_BY(mutex) = std::chrono::steady_clock::now();
};

// Thread-safe. A session that nobody touches for an hour is dropped with what was written.
class Uploads {
 public:
  // A new session's id, which nobody can guess. EBUSY with words past kMost.
  Result<std::string> begin(const std::string& repository, std::unique_ptr<image::BlobWriter> writer);
  // Null when there is none of that id in that repository.
  std::shared_ptr<UploadSession> find(const std::string& repository, const std::string& id);
  void end(const std::string& id);
  void drop_idle();

  static constexpr std::size_t kMost = 1000;
  static constexpr std::chrono::minutes kIdle{60};

 private:
  Mutex mutex_;
  std::map<std::string, std::shared_ptr<UploadSession>> sessions_ GUARDED_BY(mutex_);
};

}  // namespace acetate::registry
