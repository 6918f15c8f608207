// The directories behind RUN --mount=type=cache: kept between builds, shared by everybody who names the same id.
//
//   DIR/mounts/<sha256 of the id>/0, 1, …   each with a file N.lock beside it
//
// Nothing of them ever gets into a layer or a key; only their id and target do.
#pragma once

#include <set>
#include <string>

#include "base/fd.h"
#include "base/mutex.h"
#include "base/result.h"
#include "builder/dockerfile/mount.h"

namespace acetate::build {

class CacheMount {
 public:
  // Directory 0 of the id for `shared` (with others who share it) and `locked` (alone: waits for its turn); the first
  // that nobody uses for `private_`. Made when it is not there. Held until the object goes, or its process does. `empty`: what is
  // in it is removed, unless somebody else uses it just now.
  static Result<CacheMount> open(const std::string& build_dir, const std::string& id, dockerfile::Mount::Sharing sharing, bool empty = false);

  const std::string& dir() const noexcept { return dir_; }
  bool is_new() const noexcept { return is_new_; }

 private:
  CacheMount(std::string dir, Fd lock, bool is_new) : dir_(std::move(dir)), lock_(std::move(lock)), is_new_(is_new) {}
  std::string dir_;
  Fd lock_;
  bool is_new_;
};

// A build that does everything anew begins with empty cache mounts, as BuildKit's does; what its own steps leave in them for
// later ones stays. Thread-safe.
class EmptiedMounts {
 public:
  // Whether it is the first time that this one is asked for.
  bool is_first(const std::string& id) {
    const Lock lock(mutex_);
    return ids_.insert(id).second;
  }

 private:
  Mutex mutex_;
  std::set<std::string> ids_ GUARDED_BY(mutex_);
};

}  // namespace acetate::build
