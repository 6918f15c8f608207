// Digester: the three kinds of digests a first pass takes (packed bytes, plain bytes, plain bytes of each span, which are SHA-256),
// beside the thread that decodes.
//
// Hashing every plain byte twice and every packed byte once costs about as much as a fast inflate; on a second
// core it costs nothing.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <span>
#include <thread>
#include <vector>

#include "base/digest.h"
#include "base/mutex.h"

namespace acetate {

// One thread calls it. Bytes are copied, so the caller's buffers are its own again at once.
class Digester {
 public:
  // Works on the caller's thread where the system gives no other.
  Digester(Digest::Algorithm packed, Digest::Algorithm plain);
  ~Digester();
  Digester(const Digester&) = delete;
  Digester& operator=(const Digester&) = delete;

  void packed(std::span<const std::byte> bytes);
  void plain(std::span<const std::byte> bytes);
  // The plain bytes since the last call were one span.
  void end_span();

  struct Digests {
    Digest packed;
    Digest plain;
    std::vector<Digest> spans;
  };
  // Waits until everything is hashed. May be called once; nothing but the destructor after it.
  Digests finish();

 private:
  enum class What { packed, plain, end_span };
  struct Job {
    What what;
    std::vector<std::byte> bytes;
  };

  void submit(What what, std::span<const std::byte> bytes);
  void hash(What what, std::span<const std::byte> bytes);
  void work();
  void stop();

  // Touched by the worker alone while it runs.
  Hasher packed_;
  Hasher plain_;
  Sha256 span_;
  std::vector<Digest> spans_;

  Mutex mutex_;
  std::condition_variable_any changed_;
  std::deque<Job> jobs_ GUARDED_BY(mutex_);
  std::vector<std::vector<std::byte>> spare_ GUARDED_BY(mutex_);  // buffers to use again
  std::size_t queued_bytes_ GUARDED_BY(mutex_) = 0;
  bool stopping_ GUARDED_BY(mutex_) = false;
  std::thread worker_;
};

}  // namespace acetate
