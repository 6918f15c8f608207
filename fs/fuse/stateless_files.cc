#include "fs/fuse/stateless_files.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>

namespace acetate::fs {

// Of what the process may have open, an eighth for all.
std::size_t StatelessFiles::fair_share() noexcept {
  const long limit = ::sysconf(_SC_OPEN_MAX);
  return static_cast<std::size_t>(std::clamp(limit / 8 / static_cast<long>(kShards), 1L, 16L));
}

std::optional<StatelessFiles::HeldPtr> StatelessFiles::find(Ino ino, For use) {
  Shard& shard = shard_of(ino);
  Lock lock(shard.mutex);
  const auto known = shard.by_ino.find(ino);
  if (known == shard.by_ino.end() || !known->second->second->serves(use)) return std::nullopt;
  shard.recent.splice(shard.recent.begin(), shard.recent, known->second);
  return known->second->second;
}

Result<Opened> StatelessFiles::open(Ino ino, For use) {
  auto opened = overlay_.open(ino, use == For::writing ? O_RDWR : O_RDONLY);
  if (!opened && opened.error().is(ESTALE) && use == For::reading) return overlay_.open_replaced(ino);
  return opened;
}

Result<StatelessFiles::HeldPtr> StatelessFiles::get(Ino ino, For use) {
  if (auto known = find(ino, use)) return *std::move(known);
  auto opened = open(ino, use);
  if (!opened && (opened.error().is(EMFILE) || opened.error().is(ENFILE))) {
    shed();
    opened = open(ino, use);
  }
  const Handle handle = TRY(std::move(opened)).handle;
  return put(ino, std::make_shared<const Held>(overlay_, handle, use), use);
}

StatelessFiles::HeldPtr StatelessFiles::put(Ino ino, HeldPtr held, For use) {
  Shard& shard = shard_of(ino);
  HeldPtr out;  // closed after the lock is let go
  Lock lock(shard.mutex);
  if (const auto there = shard.by_ino.find(ino); there != shard.by_ino.end()) {
    // Two threads may have opened it at once; the second just keeps its own until it is done.
    if (there->second->second->serves(use)) return held;
    out = std::exchange(there->second->second, held);
    return held;
  }
  shard.recent.emplace_front(ino, held);
  shard.by_ino.emplace(ino, shard.recent.begin());
  if (shard.recent.size() > per_shard_) {
    auto& [oldest, last] = shard.recent.back();
    out = std::move(last);
    shard.by_ino.erase(oldest);
    shard.recent.pop_back();
  }
  return held;
}

void StatelessFiles::drop(Ino ino) noexcept {
  Shard& shard = shard_of(ino);
  HeldPtr out;
  Lock lock(shard.mutex);
  const auto known = shard.by_ino.find(ino);
  if (known == shard.by_ino.end()) return;
  out = std::move(known->second->second);
  shard.recent.erase(known->second);
  shard.by_ino.erase(known);
}

void StatelessFiles::shed() noexcept {
  for (Shard& shard : shards_) {
    Shard::Recent out;
    Lock lock(shard.mutex);
    out.swap(shard.recent);
    shard.by_ino.clear();
  }
}

}  // namespace acetate::fs
