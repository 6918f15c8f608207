#include "fs/other_names.h"

#include <algorithm>

namespace acetate::fs {

void OtherNames::add(Inode& inode, Inode& dir, std::string_view name) {
  Lock lock(mutex_);
  inode.settle(dir, name);
  if (inode.is_at(dir, name)) return;
  std::vector<Other>& others = others_[&inode];
  if (std::any_of(others.begin(), others.end(), [&](const Other& one) { return one.is(dir, name); })) return;
  others.push_back({InodeRef(dir), std::string(name)});
  inode.has_other_names.store(true, std::memory_order_relaxed);
}

bool OtherNames::knows(Inode& inode, const Inode& dir, std::string_view name) {
  if (inode.is_at(dir, name)) return true;
  if (!inode.has_other_names.load(std::memory_order_relaxed)) return false;
  Lock lock(mutex_);
  const auto found = others_.find(&inode);
  return found != others_.end() &&
         std::any_of(found->second.begin(), found->second.end(), [&](const Other& one) { return one.is(dir, name); });
}

std::optional<OtherNames::Other> OtherNames::any(Inode& inode) {
  if (!inode.has_other_names.load(std::memory_order_relaxed)) return std::nullopt;
  Lock lock(mutex_);
  const auto found = others_.find(&inode);
  return found == others_.end() ? std::nullopt : std::optional(found->second.back());
}

OtherNames::Was OtherNames::take(Inode& inode, const Inode& dir, std::string_view name) {
  Other gone;  // after the mutex: dropping the last reference to a directory comes back here
  Lock lock(mutex_);
  if (inode.is_at(dir, name)) return Was::place;
  const auto found = others_.find(&inode);
  if (found == others_.end()) return Was::unknown;
  std::vector<Other>& others = found->second;
  const auto at = std::find_if(others.begin(), others.end(), [&](const Other& one) { return one.is(dir, name); });
  if (at == others.end()) return Was::unknown;
  gone = std::move(*at);
  others.erase(at);
  if (others.empty()) others_.erase(found);
  return Was::other;
}

bool OtherNames::settle_elsewhere(Inode& inode) {
  if (!inode.has_other_names.load(std::memory_order_relaxed)) return false;
  Other next;
  Lock lock(mutex_);
  const auto found = others_.find(&inode);
  if (found == others_.end() || inode.has_place()) return false;
  next = std::move(found->second.back());
  found->second.pop_back();
  if (found->second.empty()) others_.erase(found);
  inode.settle(*next.dir, next.name);
  return true;
}

void OtherNames::forget(Inode& inode) noexcept {
  if (!inode.has_other_names.load(std::memory_order_relaxed)) return;
  std::vector<Other> gone;
  Lock lock(mutex_);
  const auto found = others_.find(&inode);
  if (found == others_.end()) return;
  gone = std::move(found->second);
  others_.erase(found);
}

}  // namespace acetate::fs
