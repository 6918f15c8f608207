// Uploads under way: blobs that clients send in one piece or in many, over as many requests as they like.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "base/mutex.h"
#include "layers/image/image_store.h"

namespace acetate::registry {

// One upload. Its mutex is held while bytes are written, so that two requests for one do not mix.
struct UploadSession {
  std::string repository;  // since it was begun
  Mutex mutex;
  std::unique_ptr<image::BlobWriter> writer GUARDED_BY(mutex);  // null once it is finished
  std::chrono::steady_clock::time_point touched GUARDED_BY(mutex) = std::chrono::steady_clock::now();
};

// Thread-safe. A session that nobody touches for an hour is dropped with what was written.
class Uploads {
 public:
  // Each has two files open: they must leave some for connections (lobby.h), and all of them are below FD_SETSIZE, since an httplib that waits by select(2) refuses others.
  static constexpr std::size_t kMost = 192;

  // `most` at a time.
  explicit Uploads(std::size_t most = kMost, std::chrono::seconds rests = std::chrono::minutes(1)) : most_(most), rests_(rests) {}

  // A new session's id, which nobody can guess. Where there are as many as may be, the one nobody has touched for longest makes room, if that
  // is longer than `rests`: clients that went away without a word shut nobody out. Else EBUSY with words.
  Result<std::string> begin(const std::string& repository, std::unique_ptr<image::BlobWriter> writer);
  // Null when there is none of that id in that repository.
  std::shared_ptr<UploadSession> find(const std::string& repository, const std::string& id);
  void end(const std::string& id);
  void drop_idle();

  static constexpr std::chrono::minutes kIdle{60};

 private:
  using Sessions = std::map<std::string, std::shared_ptr<UploadSession>>;
  // The one nobody is at and nobody has touched for longest, since before `since`; end() for none.
  Sessions::iterator longest_idle(std::chrono::steady_clock::time_point since) REQUIRES(mutex_);

  const std::size_t most_;
  const std::chrono::seconds rests_;
  Mutex mutex_;
  Sessions sessions_ GUARDED_BY(mutex_);
};

}  // namespace acetate::registry
