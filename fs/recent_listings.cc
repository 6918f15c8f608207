#include "fs/recent_listings.h"

#include <algorithm>
#include <iterator>

namespace acetate::fs {

std::list<RecentListings::Recent>::iterator RecentListings::find_locked(Ino dir) {
  return std::ranges::find(recent_, dir, &Recent::dir);
}

void RecentListings::remove_locked(std::list<Recent>::iterator at, std::list<Recent>& out) {
  bytes_ -= at->listing->bytes();
  out.splice(out.end(), recent_, at);
}

RecentListingPtr RecentListings::find(Ino dir) {
  Lock lock(mutex_);
  const auto found = find_locked(dir);
  if (found == recent_.end()) return nullptr;
  recent_.splice(recent_.begin(), recent_, found);
  return found->listing;
}

void RecentListings::put(Ino dir, RecentListingPtr listing) {
  std::list<Recent> out;  // freed after the mutex is
  std::list<Recent> in;
  in.push_back(Recent{.dir = dir, .listing = std::move(listing)});
  Lock lock(mutex_);
  if (const auto before = find_locked(dir); before != recent_.end()) remove_locked(before, out);
  bytes_ += in.front().listing->bytes();
  recent_.splice(recent_.begin(), in);
  while (recent_.size() > kMost || (bytes_ > kMostBytes && recent_.size() > kFew)) remove_locked(std::prev(recent_.end()), out);
}

void RecentListings::drop(Ino dir) noexcept {
  std::list<Recent> out;
  Lock lock(mutex_);
  if (const auto found = find_locked(dir); found != recent_.end()) remove_locked(found, out);
}

void RecentListings::clear() noexcept {
  std::list<Recent> out;
  Lock lock(mutex_);
  out.swap(recent_);
  bytes_ = 0;
}

}  // namespace acetate::fs
