#include "fs/fd_cache.h"

#include <sys/resource.h>

#include <algorithm>

namespace acetate::fs {

std::size_t FdCache::fair_capacity() noexcept {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return 64;
  return std::clamp<std::size_t>(limit.rlim_cur / 4, 16, 16384);
}

void FdCache::add(Inode& inode) {
  FdPtr closed;  // after the mutex is free
  Lock lock(mutex_);
  if (inode.fd_slot != 0) return;
  // Everybody gets one second chance a turn, so two turns always find somebody or take out those that stay.
  for (std::size_t tries = 2 * held_.size(); held_.size() >= capacity_ && tries > 0; --tries) {
    hand_ = (hand_ + 1) % held_.size();
    Inode& candidate = *held_[hand_];
    if (candidate.fd_used.exchange(false, std::memory_order_relaxed)) continue;
    closed = evict_locked(candidate);
    break;
  }
  held_.push_back(&inode);
  inode.fd_slot = static_cast<std::uint32_t>(held_.size());
}

std::size_t FdCache::size() {
  Lock lock(mutex_);
  return held_.size();
}

void FdCache::remove(Inode& inode) noexcept {
  Lock lock(mutex_);
  if (inode.fd_slot != 0) take_out_locked(inode);
}

void FdCache::shed() {
  std::vector<FdPtr> closed;
  Lock lock(mutex_);
  for (std::size_t left = (held_.size() + 1) / 2; left > 0; --left) closed.push_back(evict_locked(*held_.back()));
}

FdPtr FdCache::evict_locked(Inode& inode) {
  take_out_locked(inode);
  Lock lock(inode.mutex);
  if (!inode.parent) return {};
  return std::exchange(inode.fd, nullptr);
}

void FdCache::take_out_locked(Inode& inode) {
  const std::size_t index = inode.fd_slot - 1;
  held_.back()->fd_slot = inode.fd_slot;
  std::swap(held_[index], held_.back());
  held_.pop_back();
  inode.fd_slot = 0;
}

}  // namespace acetate::fs
