// RecentListings: what was listed of a directory, between two pages of one reading.
//
// A cache and nothing more: where a listing is not here any more a new one serves as well (dir_listing.h), for the price of reading the
// directory again.
#pragma once

#include <list>
#include <memory>

#include "base/mutex.h"
#include "fs/dir_listing.h"
#include "fs/types.h"

namespace acetate::fs {

using DirListingPtr = std::shared_ptr<const DirListing>;

// Thread-safe. Its mutex is a leaf.
class RecentListings {
 public:
  // The last one put for it; nothing where that is gone.
  DirListingPtr find(Ino dir);
  // In the place of an earlier one. Others that were not used for longest go, until at most kMost are left and kMostBytes; this one stays.
  void put(Ino dir, DirListingPtr listing);
  void drop(Ino dir) noexcept;
  void clear() noexcept;

  static constexpr std::size_t kMost = 64, kMostBytes = 32 << 20;

 private:
  struct Recent {
    Ino dir;
    DirListingPtr listing;
  };
  std::list<Recent>::iterator find_locked(Ino dir) REQUIRES(mutex_);
  void remove_locked(std::list<Recent>::iterator at, std::list<Recent>& out) REQUIRES(mutex_);

  Mutex mutex_;
  std::list<Recent> recent_ GUARDED_BY(mutex_);  // the most recently used first
  std::size_t bytes_ GUARDED_BY(mutex_) = 0;
};

}  // namespace acetate::fs
