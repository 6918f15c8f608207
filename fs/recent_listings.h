// RecentListings: what was listed of a directory, between two pages of one reading, or before anybody has asked (look_ahead.h).
//
// A cache and nothing more: where a listing is not here any more a new one serves as well (dir_listing.h), for the price of reading the
// directory again.
#pragma once

#include <list>
#include <memory>
#include <optional>
#include <vector>

#include "base/mutex.h"
#include "fs/dir_listing.h"
#include "fs/inode.h"
#include "fs/types.h"
#include "layers/layer.h"

namespace acetate::fs {

// An inode, and what stat(2) says of it.
struct Child {
  InodeRef inode;
  Attr attr;
};

struct RecentListing {
  DirListing names;
  // Of a directory that only the lower has, looked up ahead: the lower's nth name's. Nothing where it could not be looked up. Else empty.
  std::vector<std::optional<Child>> children = {};

  // Nothing where it was not looked up ahead.
  const Child* child(const ListedEntry& entry) const noexcept {
    const std::uint64_t n = entry.cookie - DirListing::place_of_lower_name(0);
    return n < children.size() && children[n] ? &*children[n] : nullptr;
  }
  // What it takes in memory, with the inodes that only it may hold.
  std::size_t bytes() const noexcept { return names.bytes() + children.capacity() * (sizeof(std::optional<Child>) + sizeof(Inode)); }
};
using RecentListingPtr = std::shared_ptr<const RecentListing>;

// Thread-safe. Its mutex is a leaf.
class RecentListings {
 public:
  // The last one put for it; nothing where that is gone.
  RecentListingPtr find(Ino dir);
  // In the place of an earlier one. Others that were not used for longest go, until at most kMost are left, and kFew of those where all
  // together take more than kMostBytes: as many large directories can be read at once, each page from a listing that is here.
  void put(Ino dir, RecentListingPtr listing);
  void drop(Ino dir) noexcept;
  void clear() noexcept;

  static constexpr std::size_t kMost = 128, kFew = 8, kMostBytes = 32 << 20;

 private:
  struct Recent {
    Ino dir;
    RecentListingPtr listing;
  };
  std::list<Recent>::iterator find_locked(Ino dir) REQUIRES(mutex_);
  void remove_locked(std::list<Recent>::iterator at, std::list<Recent>& out) REQUIRES(mutex_);

  Mutex mutex_;
  std::list<Recent> recent_ GUARDED_BY(mutex_);  // the most recently used first
  std::size_t bytes_ GUARDED_BY(mutex_) = 0;
};

}  // namespace acetate::fs
