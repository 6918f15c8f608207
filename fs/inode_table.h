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

#include "base/mutex.h"
#include "fs/inode.h"
#include "fs/other_names.h"
#include "layers/layer.h"

namespace acetate::fs {

class FdCache;

// A sharded hash table chained through the inodes themselves.
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
    // Two in a bucket: a table costs an inode four to eight bytes.
    if (shard.count >= 2 * shard.buckets.size()) grow_locked(shard);
    Inode*& head = shard.buckets[bucket(shard, hash)];
    (*fresh).*Next = head;
    head = fresh.get();
    ++shard.count;
    return fresh;
  }
  std::vector<InodeRef> all() {
    std::vector<InodeRef> found;
    for (Shard& shard : shards_) {
      Lock lock(shard.mutex);
      for (Inode* chain : shard.buckets)
        for (; chain != nullptr; chain = chain->*Next)
          if (chain->try_ref()) found.emplace_back(Adopt{}, chain);
    }
    return found;
  }
  void remove(std::uint64_t hash, const Inode& inode) noexcept {
    Shard& shard = shard_of(hash);
    Lock lock(shard.mutex);
    if (shard.buckets.empty()) return;
    for (Inode** at = &shard.buckets[bucket(shard, hash)]; *at != nullptr; at = &((*at)->*Next)) {
      if (*at != &inode) continue;
      *at = (*at)->*Next;
      --shard.count;
      return;
    }
  }

 private:
  struct Shard {
    Mutex mutex;
    std::vector<Inode*> buckets GUARDED_BY(mutex);
    std::size_t count GUARDED_BY(mutex) = 0;
  };
  static constexpr std::size_t kShards = 64;

  Shard& shard_of(std::uint64_t hash) { return shards_[hash % kShards]; }
  static std::size_t bucket(const Shard& shard, std::uint64_t hash) NO_THREAD_SAFETY_ANALYSIS {
    return (hash / kShards) & (shard.buckets.size() - 1);
  }
  template <class Match>
  InodeRef find_locked(Shard& shard, std::uint64_t hash, Match&& match) REQUIRES(shard.mutex) {
    if (shard.buckets.empty()) return {};
    for (Inode* at = shard.buckets[bucket(shard, hash)]; at != nullptr; at = at->*Next)
      // One that is going away (no reference left) is as good as gone; it unlinks itself.
      if (match(*at) && at->try_ref()) return InodeRef(Adopt{}, at);
    return {};
  }
  void grow_locked(Shard& shard) REQUIRES(shard.mutex) {
    std::vector<Inode*> old = std::move(shard.buckets);
    shard.buckets = std::vector<Inode*>(old.empty() ? 4 : old.size() * 2, nullptr);
    for (Inode* chain : old) {
      while (chain != nullptr) {
        Inode* inode = chain;
        chain = inode->*Next;
        Inode*& head = shard.buckets[bucket(shard, HashOf(*inode))];
        inode->*Next = head;
        head = inode;
      }
    }
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
