// A bounded cache: what was not asked for longest goes first. Whoever has a value keeps it alive, also after
// it left the cache.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <unordered_map>

#include "base/mutex.h"

namespace acetate {

// Thread-safe. Keys are numbers that are never reused. In several parts, so that threads seldom meet; each is
// bounded by its share of the limit and keeps at least one value.
template <class V>
class LruCache {
 public:
  explicit LruCache(std::size_t limit) : limit_of_part_(limit / kParts) {}

  std::shared_ptr<const V> get(std::uint64_t key) {
    Part& part = part_of(key);
    Lock lock(part.mutex);
    const auto found = part.by_key.find(key);
    if (found == part.by_key.end()) return nullptr;
    part.newest_first.splice(part.newest_first.begin(), part.newest_first, found->second);
    return found->second->value;
  }

  // A value that is there already stays.
  void put(std::uint64_t key, std::shared_ptr<const V> value, std::size_t cost) {
    Part& part = part_of(key);
    std::list<Item> dropped;  // ends after the lock does
    Lock lock(part.mutex);
    if (part.by_key.contains(key)) return;
    part.newest_first.push_front({key, std::move(value), cost});
    part.by_key.emplace(key, part.newest_first.begin());
    part.cost += cost;
    while (part.cost > limit_of_part_ && part.newest_first.size() > 1) drop_oldest_locked(part, dropped);
  }

  void erase(std::uint64_t key) {
    Part& part = part_of(key);
    std::list<Item> dropped;
    Lock lock(part.mutex);
    const auto found = part.by_key.find(key);
    if (found == part.by_key.end()) return;
    part.cost -= found->second->cost;
    dropped.splice(dropped.begin(), part.newest_first, found->second);
    part.by_key.erase(found);
  }

  void clear() {
    for (Part& part : parts_) {
      std::list<Item> dropped;
      Lock lock(part.mutex);
      while (!part.newest_first.empty()) drop_oldest_locked(part, dropped);
    }
  }

 private:
  static constexpr std::size_t kParts = 8;
  struct Item {
    std::uint64_t key;
    std::shared_ptr<const V> value;
    std::size_t cost;
  };
  struct Part {
    Mutex mutex;
    std::list<Item> newest_first GUARDED_BY(mutex);
    std::unordered_map<std::uint64_t, typename std::list<Item>::iterator> by_key GUARDED_BY(mutex);
    std::size_t cost GUARDED_BY(mutex) = 0;
  };

  Part& part_of(std::uint64_t key) { return parts_[(key * 0x9e3779b97f4a7c15U) >> 61]; }
  static void drop_oldest_locked(Part& part, std::list<Item>& dropped) REQUIRES(part.mutex) {
    const auto oldest = std::prev(part.newest_first.end());
    part.cost -= oldest->cost;
    part.by_key.erase(oldest->key);
    dropped.splice(dropped.begin(), part.newest_first, oldest);
  }

  const std::size_t limit_of_part_;
  std::array<Part, kParts> parts_;
};

}  // namespace acetate
