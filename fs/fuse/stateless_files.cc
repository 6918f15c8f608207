#include "fs/fuse/stateless_files.h"

#include <fcntl.h>

namespace acetate::fs {

Result<StatelessFiles::HeldPtr> StatelessFiles::get(Ino ino, bool dir) {
  const Key key{ino, dir};
  Shard& shard = shards_[static_cast<std::uint64_t>(ino) % shards_.size()];
  {
    Lock lock(shard.mutex);
    if (const auto known = shard.by_key.find(key); known != shard.by_key.end()) {
      shard.recent.splice(shard.recent.begin(), shard.recent, known->second);
      return known->second->second;
    }
  }
  const Opened opened = TRY(dir ? overlay_.opendir(ino) : overlay_.open(ino, O_RDONLY));
  const auto held = std::make_shared<const Held>(overlay_, opened.handle, dir);
  HeldPtr evicted;  // closed after the lock is let go
  Lock lock(shard.mutex);
  // Two threads may have opened it at once; the second just keeps its own until it is done.
  if (shard.by_key.contains(key)) return HeldPtr(held);
  shard.recent.emplace_front(key, held);
  shard.by_key.emplace(key, shard.recent.begin());
  if (shard.recent.size() > kPerShard) {
    auto& [oldest, last] = shard.recent.back();
    evicted = std::move(last);
    shard.by_key.erase(oldest);
    shard.recent.pop_back();
  }
  return HeldPtr(held);
}

}  // namespace acetate::fs
