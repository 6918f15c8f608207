#include "layers/stream/span_cache.h"

#include <cerrno>
#include <new>
#include <utility>

#include "base/hash.h"

namespace acetate {

namespace {

// Those who wait for a decode must hear of its end whatever happens in it.
Result<SpanBytes> caught(const std::function<Result<SpanBytes>()>& decode) {
  try {
    return decode();
  } catch (const std::bad_alloc&) {
    return Error(ENOMEM);
  }
}

}  // namespace

SpanCache& SpanCache::process() {
  static auto* cache = new SpanCache();  // never destroyed, see the header
  return *cache;
}

std::uint64_t SpanCache::new_source() noexcept {
  static std::atomic<std::uint64_t> next = 1;
  return next.fetch_add(1, std::memory_order_relaxed);
}

std::size_t SpanCache::KeyHash::operator()(const Key& key) const noexcept {
  return static_cast<std::size_t>(xxh3(std::as_bytes(std::span(&key, 1))));
}

Result<SpanBytes> SpanCache::get(Key key, const std::function<Result<SpanBytes>()>& decode) {
  Shard& shard = shard_of(key);
  std::shared_ptr<Flight> flight;
  {
    Lock lock(shard.mutex);
    if (const auto found = shard.slots.find(key); found != shard.slots.end()) {
      found->second->referenced = true;
      return found->second->bytes;
    }
    if (const auto found = shard.flights.find(key); found != shard.flights.end()) {
      flight = found->second;
      while (!flight->landed) shard.landed.wait(shard.mutex);
      if (flight->bytes != nullptr) return flight->bytes;
      return flight->error->clone();
    }
    flight = std::make_shared<Flight>();
    shard.flights.emplace(key, flight);
  }

  Result<SpanBytes> decoded = caught(decode);
  {
    Lock lock(shard.mutex);
    flight->landed = true;
    if (decoded) {
      flight->bytes = *decoded;
      keep(shard, key, *decoded);
    } else {
      flight->error = decoded.error().clone();
    }
    shard.flights.erase(key);
    shard.landed.notify_all();
  }
  evict_down_to(capacity_.load(std::memory_order_relaxed));
  return decoded;
}

void SpanCache::keep(Shard& shard, Key key, const SpanBytes& bytes) {
  if (bytes->size > capacity_.load(std::memory_order_relaxed)) return;  // would only push out all others
  shard.ring.push_back({key, bytes, false});
  shard.slots.emplace(key, std::prev(shard.ring.end()));
  bytes_.fetch_add(bytes->size, std::memory_order_relaxed);
}

void SpanCache::forget(std::uint64_t source) {
  for (Shard& shard : shards_) {
    Ring dropped;  // freed without the lock
    Lock lock(shard.mutex);
    for (auto it = shard.ring.begin(); it != shard.ring.end();) {
      const auto slot = it++;
      if (slot->key.source != source) continue;
      bytes_.fetch_sub(slot->bytes->size, std::memory_order_relaxed);
      shard.slots.erase(slot->key);
      dropped.splice(dropped.end(), shard.ring, slot);
    }
  }
}

void SpanCache::set_capacity(std::uint64_t bytes) {
  capacity_.store(bytes, std::memory_order_relaxed);
  evict_down_to(bytes);
}

// One clock over all shards: a hand goes from shard to shard and takes one span of each at most, so that no
// shard is emptied because much was added to it.
void SpanCache::evict_down_to(std::uint64_t limit) {
  std::size_t barren = 0;  // shards in a row that had nothing to give
  while (this->bytes() > limit && barren < kShards) {
    Shard& shard = shards_[hand_.fetch_add(1, std::memory_order_relaxed) % kShards];
    SpanBytes victim;  // freed without the lock
    Lock lock(shard.mutex);
    victim = evict_one_locked(shard);
    barren = victim == nullptr ? barren + 1 : 0;
  }
}

// The first span from the hand on that nobody asked for since the hand was there; the others lose their mark.
SpanBytes SpanCache::evict_one_locked(Shard& shard) {
  while (!shard.ring.empty()) {
    Slot& slot = shard.ring.front();
    if (std::exchange(slot.referenced, false)) {
      shard.ring.splice(shard.ring.end(), shard.ring, shard.ring.begin());
      continue;
    }
    SpanBytes bytes = std::move(slot.bytes);
    bytes_.fetch_sub(bytes->size, std::memory_order_relaxed);
    shard.slots.erase(slot.key);
    shard.ring.pop_front();
    return bytes;
  }
  return nullptr;
}

}  // namespace acetate
