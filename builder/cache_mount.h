// The directories behind RUN --mount=type=cache: kept between builds, shared by everybody who names the same id.
//
//   DIR/mounts/<sha256 of the id>/0, 1, …   each with a file N.lock beside it
//
// Nothing of them ever gets into a layer or a key; only their id and target do.
#pragma once

#include <functional>
#include <set>
#include <string>

#include "base/digest.h"
#include "base/fd.h"
#include "base/mutex.h"
#include "base/result.h"
#include "builder/dockerfile/mount.h"

namespace acetate::build {

// Whoever needs several opens each id once, in the order of the ids: `locked` and `shared` ones wait for one another.
class CacheMount {
 public:
  // Directory 0 of the id for `shared` (with others who share it) and `locked` (alone: waits for its turn); the first
  // that nobody uses for `private_`. Made when it is not there. Held until the object goes, or its process does. `empty`: what is
  // in it is removed, unless somebody else uses it just now.
  static Result<CacheMount> open(const std::string& build_dir, const std::string& id, dockerfile::Mount::Sharing sharing, bool empty = false);

  // Makes directory 0 of the id with that digest, out of what `fill` puts into an empty directory; false when there is one already. A kill
  // in the middle leaves none.
  static Result<bool> fill(const std::string& build_dir, const Digest& id, const std::function<Result<void>(const std::string& dir)>& fill);

  // Whether directory 0 of that id is there.
  static bool exists(const std::string& build_dir, const Digest& id);

  const std::string& dir() const noexcept { return dir_; }
  // Whether nobody has given it its owner and mode yet: whoever uses it does so first, the mode last. Until then it has one that tells.
  bool is_new() const noexcept { return is_new_; }

 private:
  CacheMount(std::string dir, Fd lock, bool is_new) : dir_(std::move(dir)), lock_(std::move(lock)), is_new_(is_new) {}
  std::string dir_;
  Fd lock_;
  bool is_new_;
};

// Ids that something was done with. Thread-safe.
class MountIds {
 public:
  // Whether it is the first time that this one is named.
  bool add(const std::string& id) {
    const Lock lock(mutex_);
    return ids_.insert(id).second;
  }
  bool contains(const std::string& id) const {
    const Lock lock(mutex_);
    return ids_.contains(id);
  }
  std::set<std::string> all() const {
    const Lock lock(mutex_);
    return ids_;
  }

 private:
  mutable Mutex mutex_;
  std::set<std::string> ids_ GUARDED_BY(mutex_);
};

}  // namespace acetate::build
