// InodeTable: every live inode, found by number, by upper object, or by place.
//
// Two names of one upper hard link are one inode (key: the upper's st_ino), so that the kernel's page cache is
// shared between them. Objects that only the lower has are found by parent and name: two names of a lower hard
// link are two inodes, since copy-up parts them.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "base/chained_table.h"
#include "base/mutex.h"
#include "fs/inode.h"
#include "fs/other_names.h"
#include "layers/layer.h"

namespace acetate::fs {

class FdCache;

// A hash table in shards.
template <Inode* Inode::*Next, std::uint64_t (*HashOf)(const Inode&)>
class InodeIndex {
 public:
  template <class Match>
  InodeRef find(std::uint64_t hash, Match&& match) {
    Shard& shard = shard_of(hash);
    Lock lock(shard.mutex);
    return find_locked(shard, hash, match);
  }
  // What is there already, else `fresh`, added.
  template <class Match>
  InodeRef find_or_add(std::uint64_t hash, Match&& match, InodeRef fresh) {
    Shard& shard = shard_of(hash);
    Lock lock(shard.mutex);
    if (InodeRef there = find_locked(shard, hash, match)) return there;
    shard.table.add(*fresh);
    return fresh;
  }
  std::vector<InodeRef> all() {
    std::vector<InodeRef> found;
    for (Shard& shard : shards_) {
      Lock lock(shard.mutex);
      shard.table.for_each([&](Inode& one) {
        if (one.try_ref()) found.emplace_back(Adopt{}, &one);
      });
    }
    return found;
  }
  void remove(std::uint64_t hash, const Inode& inode) noexcept {
    Shard& shard = shard_of(hash);
    Lock lock(shard.mutex);
    shard.table.remove(inode);
  }

 private:
  struct Shard {
    Mutex mutex;
    ChainedTable<Inode, Next, HashOf> table GUARDED_BY(mutex);
  };
  static constexpr std::size_t kShards = 64;

  Shard& shard_of(std::uint64_t hash) { return shards_[hash % kShards]; }
  template <class Match>
  InodeRef find_locked(Shard& shard, std::uint64_t hash, Match&& match) REQUIRES(shard.mutex) {
    // One that is going away (no reference left) is as good as gone; it unlinks itself.
    Inode* found = shard.table.find(hash, [&](Inode& one) { return match(one) && one.try_ref(); });
    return found != nullptr ? InodeRef(Adopt{}, found) : InodeRef();
  }
  std::array<Shard, kShards> shards_;
};

std::uint64_t hash_of_ino(const Inode& inode);
std::uint64_t hash_of_key(const Inode& inode);

// Thread-safe. Its mutexes are leaves: held for a map operation, never across a system call.
class InodeTable {
 public:
  InodeTable(const Layer& lower, FdCache& fds) : lower_(&lower), fds_(fds) {}

  // The first one made is the root's and has Ino::root.
  std::unique_ptr<Inode> make(mode_t type, HeldNode below, std::uint64_t st_ino);

  InodeRef find(Ino ino);
  InodeRef find_upper(std::uint64_t upper_ino);
  InodeRef find_placed(const Inode& parent, std::string_view name);

  // `upper_ino` 0: read-only.
  InodeRef add_root(std::unique_ptr<Inode> root, std::uint64_t upper_ino);
  // Adds it, unless another with that key is there already: then that one, and `fresh` goes away.
  InodeRef add_upper(std::unique_ptr<Inode> fresh, std::uint64_t upper_ino);
  InodeRef add_placed(std::unique_ptr<Inode> fresh, Inode& parent, std::string_view name);

  // Copied up: found by its upper object from now on, by its place no more.
  void to_upper(Inode& inode, std::uint64_t upper_ino);
  // Unlinked while only the lower had it.
  void drop_key(Inode& inode);

  std::uint64_t size() const noexcept { return count_.load(std::memory_order_relaxed); }

  std::vector<InodeRef> all() { return by_ino_.all(); }
  const Layer& lower() const noexcept { return *lower_; }
  // Another lower tree, whose nodes all inodes have from now on. Precondition: nothing else runs.
  void use(const Layer& lower) { lower_ = &lower; }

  // The kernel's references end with the mount.
  void forget_all();

  OtherNames& other_names() noexcept { return other_names_; }
  // Names of which the upper has none of its own: of files whose place is in an index.
  OtherNames& lower_names() noexcept { return lower_names_; }

  // Takes one out that nobody refers to, and its ancestors that nobody refers to any more.
  void destroy(Inode* inode) noexcept;

 private:
  const Layer* lower_;
  FdCache& fds_;
  OtherNames other_names_;
  OtherNames lower_names_;
  std::atomic<std::uint64_t> next_{static_cast<std::uint64_t>(Ino::root)};
  std::atomic<std::uint64_t> count_{0};
  InodeIndex<&Inode::next_by_ino, hash_of_ino> by_ino_;
  InodeIndex<&Inode::next_by_key, hash_of_key> by_upper_;
  InodeIndex<&Inode::next_by_key, hash_of_key> by_place_;
};

}  // namespace acetate::fs
