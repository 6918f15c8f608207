// SpareBlocks: blocks of blobs that came and found no room on the disk, in memory, for whoever waits for them. What nobody asked
// for so long makes room for what comes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <map>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "base/digest.h"
#include "base/mutex.h"

namespace acetate::registry {

// Thread-safe; its lock is a leaf.
class SpareBlocks {
 public:
  static constexpr std::size_t kMostBytes = std::size_t{64} << 20;
  explicit SpareBlocks(std::size_t most_bytes = kMostBytes) : most_(most_bytes) {}

  // True: the first that ever found no room.
  bool put(const Digest& blob, std::uint64_t block, std::span<const std::byte> bytes);
  bool has(const Digest& blob, std::uint64_t block) const;
  // Those of `first` to `end` (not included) that are here.
  std::vector<std::uint64_t> among(const Digest& blob, std::uint64_t first, std::uint64_t end) const;
  std::optional<std::vector<std::byte>> find(const Digest& blob, std::uint64_t block);
  // It is on the disk now.
  void drop(const Digest& blob, std::uint64_t block);

 private:
  using Key = std::pair<Digest, std::uint64_t>;
  struct Kept {
    Key key;
    std::vector<std::byte> bytes;
  };

  const std::size_t most_;
  mutable Mutex mutex_;
  std::list<Kept> kept_ GUARDED_BY(mutex_);  // the one that was asked for last is the first
  std::map<Key, std::list<Kept>::iterator> by_key_ GUARDED_BY(mutex_);
  std::size_t bytes_ GUARDED_BY(mutex_) = 0;
  bool is_told_ GUARDED_BY(mutex_) = false;
};

}  // namespace acetate::registry
