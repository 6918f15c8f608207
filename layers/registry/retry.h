// When to try again, and how long to wait before it.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>

#include "layers/registry/http.h"

namespace acetate::registry {

struct RetryPolicy {
  int attempts = 6;  // the first one included
  std::chrono::milliseconds first_pause{500};
  std::chrono::milliseconds longest_pause{60000};
  std::function<void(std::chrono::milliseconds)> sleep = {};  // the real one when empty
};

// The tries of one piece of work. Not thread-safe.
class Retries {
 public:
  explicit Retries(const RetryPolicy& policy) : policy_(policy) {}

  // Waits, and is true when one more try is due: after a pause that doubles, with up to a quarter taken off by
  // chance so that many clients do not come back at once, or after what the server asked for.
  bool again(std::optional<std::chrono::milliseconds> asked_for = {});
  // There was progress: what follows counts from the beginning.
  void reset() { made_ = 1; }

 private:
  const RetryPolicy& policy_;
  int made_ = 1;
};

// Trouble of this machine, as a full disk is, or too many open files: no other place helps.
bool is_local(const Error& error);
// Statuses that pass: 408, 429 and the 5xx of an overloaded or restarting server.
bool is_transient_status(int status);
// Retry-After in seconds or as an HTTP date (RFC 9110 §10.2.3); nothing when there is none that makes sense.
std::optional<std::chrono::milliseconds> retry_after(const Headers& headers, std::time_t now);

}  // namespace acetate::registry
