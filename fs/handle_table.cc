#include "fs/handle_table.h"

#include <vector>

namespace acetate::fs {

Handle HandleTable::add(std::shared_ptr<OpenFile> file) {
  const std::uint64_t number = next_.fetch_add(1, std::memory_order_relaxed);
  Shard& shard = shard_of(number);
  Lock lock(shard.mutex);
  shard.open.emplace(number, std::move(file));
  count_.fetch_add(1, std::memory_order_relaxed);
  return Handle{number};
}

Result<std::shared_ptr<OpenFile>> HandleTable::file(Handle handle) {
  const auto number = static_cast<std::uint64_t>(handle);
  Shard& shard = shard_of(number);
  Lock lock(shard.mutex);
  const auto found = shard.open.find(number);
  if (found == shard.open.end()) return Error(EBADF);
  return found->second;
}

void HandleTable::each_file(const std::function<void(OpenFile&)>& each) {
  for (Shard& shard : shards_) {
    std::vector<std::shared_ptr<OpenFile>> open;
    {
      Lock lock(shard.mutex);
      for (const auto& [number, file] : shard.open) open.push_back(file);
    }
    for (const auto& file : open) each(*file);
  }
}

void HandleTable::remove(Handle handle) noexcept {
  const auto number = static_cast<std::uint64_t>(handle);
  Shard& shard = shard_of(number);
  std::shared_ptr<OpenFile> closed;  // closes its descriptor after the mutex is free
  Lock lock(shard.mutex);
  const auto found = shard.open.find(number);
  if (found == shard.open.end()) return;
  closed = std::move(found->second);
  shard.open.erase(found);
  count_.fetch_sub(1, std::memory_order_relaxed);
}

void HandleTable::clear() noexcept {
  for (Shard& shard : shards_) {
    std::unordered_map<std::uint64_t, std::shared_ptr<OpenFile>> closed;
    Lock lock(shard.mutex);
    closed.swap(shard.open);
    count_.fetch_sub(closed.size(), std::memory_order_relaxed);
  }
}

}  // namespace acetate::fs
