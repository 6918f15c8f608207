// FdCache: bounds how many upper objects keep a descriptor open between two uses.
#pragma once

#include <cstddef>
#include <vector>

#include "base/mutex.h"
#include "fs/inode.h"

namespace acetate::fs {

// Second chance (the clock algorithm) over the inodes that hold a descriptor: using one costs a relaxed store,
// and only opening one takes the mutex. An inode without a place keeps its descriptor whatever happens: it is
// the only way to it. Thread-safe.
class FdCache {
 public:
  explicit FdCache(std::size_t capacity) : capacity_(capacity) {}
  // A share of what the process may open: handles and the lower's own cache need the rest.
  static std::size_t fair_capacity() noexcept;

  // It has just been given a descriptor; another may lose its own.
  void add(Inode& inode);
  void remove(Inode& inode) noexcept;
  std::size_t size();
  // Closes half of what is held: for whoever met EMFILE.
  void shed();

 private:
  // The inode in the slot has lost its descriptor, or must keep it.
  FdPtr evict_locked(Inode& inode) REQUIRES(mutex_);
  void take_out_locked(Inode& inode) REQUIRES(mutex_);

  Mutex mutex_;
  const std::size_t capacity_;
  std::vector<Inode*> held_ GUARDED_BY(mutex_);  // inode->fd_slot is the index + 1
  std::size_t hand_ GUARDED_BY(mutex_) = 0;
};

}  // namespace acetate::fs
