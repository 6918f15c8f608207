// The fetcher: serves the partial blobs of one directory (STORE/.acetate-lazy) to whoever mounts them. A process of its
// own, so that those who hold mounts talk to no network and neither link libcurl nor wait for it. docs/fetcher.md.
#pragma once

#include <memory>
#include <string>

#include "base/fd.h"
#include "base/result.h"

namespace acetate::registry {

struct FetcherOptions {
  std::string index_dir;          // where layer indexes are kept (default_index_dir())
  long linger_milliseconds = 5000;  // after the last one who asked is gone
  long quiet_milliseconds = 1000;   // without anybody waiting before what nobody waits for is fetched
};

// One for a directory: whoever holds its lock.
class Fetcher {
 public:
  // Takes the lock and listens. Null: there is one already, and it answers.
  static Result<std::unique_ptr<Fetcher>> listen(const std::string& dir, FetcherOptions options);
  ~Fetcher();

  // Serves until nobody is connected and nobody waits for anything. Starts threads: nobody may fork after it.
  Result<void> serve();

 private:
  struct Impl;
  explicit Fetcher(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace acetate::registry
