#include "fs/handle_table.h"

namespace acetate::fs {

Handle HandleTable::put(Open open) {
  const std::uint64_t number = next_.fetch_add(1, std::memory_order_relaxed);
  Shard& shard = shard_of(number);
  Lock lock(shard.mutex);
  shard.open.emplace(number, std::move(open));
  count_.fetch_add(1, std::memory_order_relaxed);
  return Handle{number};
}

void HandleTable::remove(Handle handle) noexcept {
  const auto number = static_cast<std::uint64_t>(handle);
  Shard& shard = shard_of(number);
  Open closed;  // closes its descriptor after the mutex is free
  Lock lock(shard.mutex);
  const auto found = shard.open.find(number);
  if (found == shard.open.end()) return;
  closed = std::move(found->second);
  shard.open.erase(found);
  count_.fetch_sub(1, std::memory_order_relaxed);
}

void HandleTable::clear() noexcept {
  for (Shard& shard : shards_) {
    std::unordered_map<std::uint64_t, Open> closed;
    Lock lock(shard.mutex);
    closed.swap(shard.open);
    count_.fetch_sub(closed.size(), std::memory_order_relaxed);
  }
}

}  // namespace acetate::fs
