#include "layers/registry/fetcher/spare_blocks.h"

namespace acetate::registry {

bool SpareBlocks::put(const Digest& blob, std::uint64_t block, std::span<const std::byte> bytes) {
  const Lock lock(mutex_);
  const bool is_first = !std::exchange(is_told_, true);
  const Key key{blob, block};
  if (by_key_.contains(key)) return is_first;
  kept_.push_front({key, {bytes.begin(), bytes.end()}});
  by_key_[key] = kept_.begin();
  bytes_ += bytes.size();
  while (bytes_ > most_ && kept_.size() > 1) {
    bytes_ -= kept_.back().bytes.size();
    by_key_.erase(kept_.back().key);
    kept_.pop_back();
  }
  return is_first;
}

bool SpareBlocks::has(const Digest& blob, std::uint64_t block) const {
  const Lock lock(mutex_);
  return by_key_.contains({blob, block});
}

std::vector<std::uint64_t> SpareBlocks::among(const Digest& blob, std::uint64_t first, std::uint64_t end) const {
  const Lock lock(mutex_);
  std::vector<std::uint64_t> blocks;
  for (auto each = by_key_.lower_bound({blob, first}); each != by_key_.end() && each->first < Key{blob, end}; ++each) blocks.push_back(each->first.second);
  return blocks;
}

std::optional<std::vector<std::byte>> SpareBlocks::find(const Digest& blob, std::uint64_t block) {
  const Lock lock(mutex_);
  const auto found = by_key_.find({blob, block});
  if (found == by_key_.end()) return std::nullopt;
  kept_.splice(kept_.begin(), kept_, found->second);
  return kept_.front().bytes;
}

void SpareBlocks::drop(const Digest& blob, std::uint64_t block) {
  const Lock lock(mutex_);
  const auto found = by_key_.find({blob, block});
  if (found == by_key_.end()) return;
  bytes_ -= found->second->bytes.size();
  kept_.erase(found->second);
  by_key_.erase(found);
}

}  // namespace acetate::registry
