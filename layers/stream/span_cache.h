// SpanCache: decoded spans in memory, shared by all layers of the process under one cap of bytes. What was not
// read for the longest time goes first.
//
// Lock order: a shard's mutex is a leaf; nothing else is locked, decoded or freed in bulk under it.
#pragma once

#include <array>
#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <unordered_map>

#include "base/mutex.h"
#include "base/result.h"
#include "base/sys/memory.h"
#include "layers/stream/block_sums.h"
#include "layers/stream/far_wait.h"

namespace acetate {

// Decoded bytes, shared by readers and cache; given back when the last of them lets go. They lie in memory of ours, or in a mirror's
// file, whose pages are the kernel's.
struct DecodedSpan {
  std::unique_ptr<std::byte[]> data;      // or
  std::shared_ptr<const void> held = {};  // what keeps them in the file, as long as they are
  sys::Mapping mapped = {};               // here,
  std::size_t skipped = 0;                // from this byte on
  std::size_t size = 0;
  std::optional<BlockSums> sums = {};     // of those in a file, which somebody may have damaged while nobody looked
  std::span<const std::byte> bytes() const noexcept {
    return data != nullptr ? std::span<const std::byte>(data.get(), size) : mapped.bytes().subspan(skipped, size);
  }
  // Whether a part of bytes() is what was decoded once. Asked before it is used.
  bool is_true(std::size_t offset, std::size_t length) const noexcept { return !sums || sums->hold(bytes(), offset, length); }
  // The file could not be read while somebody did: what he has is not to be believed. Asked after the bytes were used.
  bool failed() const noexcept { return mapped.failed(); }
};
using SpanBytes = std::shared_ptr<const DecodedSpan>;

class SpanCache {
 public:
  static constexpr std::uint64_t kDefaultCapacity = std::uint64_t{128} << 20;

  explicit SpanCache(std::uint64_t capacity_bytes = kDefaultCapacity) : capacity_(capacity_bytes) {}
  SpanCache(const SpanCache&) = delete;
  SpanCache& operator=(const SpanCache&) = delete;

  // The one of the process. Never destroyed: sources of static lifetime may outlive everything.
  static SpanCache& process();

  struct Key {
    std::uint64_t source;  // from new_source()
    std::uint64_t span;
    bool operator==(const Key&) const = default;
  };
  static std::uint64_t new_source() noexcept;

  // The span, from memory or by `decode`. Readers who miss one span at the same time decode it once: the first
  // calls `decode` (without any lock), the others wait and share its answer, the error too, and the waiting for bytes from far away
  // (far_wait.h). An error is not kept. `decode` must not get() the same key.
  Result<SpanBytes> get(Key key, const std::function<Result<SpanBytes>()>& decode);
  // Whether it is in memory, just now.
  bool holds(Key key);
  // Drops one that has failed, if it is still that one.
  void drop(Key key, const SpanBytes& failed);
  // Drops all spans of a source. Those being decoded at the time may stay until they are evicted.
  void forget(std::uint64_t source);

  // Bytes held for later readers: at most the capacity. Spans in readers' hands are not counted.
  std::uint64_t bytes() const noexcept { return bytes_.load(std::memory_order_relaxed); }
  std::uint64_t capacity() const noexcept { return capacity_.load(std::memory_order_relaxed); }
  void set_capacity(std::uint64_t bytes);
  // get()s that were answered from memory or by somebody else's decode, and those that had to decode; since the beginning.
  std::uint64_t hits() const noexcept { return hits_.load(std::memory_order_relaxed); }
  std::uint64_t misses() const noexcept { return misses_.load(std::memory_order_relaxed); }

 private:
  struct KeyHash {
    std::size_t operator()(const Key& key) const noexcept;
  };
  // A decode under way.
  struct Flight {
    bool landed = false;
    SpanBytes bytes;     // null: it failed
    std::optional<Error> error;
    FarWait::Clock::time_point came;  // the last of what it was decoded from, where that had to be waited for
  };
  struct Slot {
    SpanBytes bytes;
    std::uint64_t last_use;  // by clock_
  };
  struct Shard {
    Mutex mutex;
    std::condition_variable_any landed;
    std::unordered_map<Key, Slot, KeyHash> slots GUARDED_BY(mutex);
    std::unordered_map<Key, std::shared_ptr<Flight>, KeyHash> flights GUARDED_BY(mutex);
  };
  static constexpr std::size_t kShards = 16;

  Shard& shard_of(const Key& key) noexcept { return shards_[KeyHash()(key) % kShards]; }
  std::uint64_t tick() noexcept { return clock_.fetch_add(1, std::memory_order_relaxed); }
  void keep(Shard& shard, Key key, const SpanBytes& bytes) REQUIRES(shard.mutex);
  void evict_down_to(std::uint64_t limit);
  struct Oldest {
    Key key;
    std::uint64_t last_use;
  };
  std::optional<Oldest> oldest();

  std::array<Shard, kShards> shards_;
  std::atomic<std::uint64_t> bytes_ = 0;
  std::atomic<std::uint64_t> capacity_;
  std::atomic<std::uint64_t> clock_ = 0;
  std::atomic<std::uint64_t> hits_ = 0;
  std::atomic<std::uint64_t> misses_ = 0;
};

}  // namespace acetate
