#include "layers/stream/span_cache.h"

#include <cerrno>
#include <new>
#include <utility>
#include <vector>

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

bool SpanCache::holds(Key key) {
  Shard& shard = shard_of(key);
  Lock lock(shard.mutex);
  return shard.slots.contains(key);
}

Result<SpanBytes> SpanCache::get(Key key, const std::function<Result<SpanBytes>()>& decode) {
  Shard& shard = shard_of(key);
  std::shared_ptr<Flight> flight;
  {
    Lock lock(shard.mutex);
    if (const auto found = shard.slots.find(key); found != shard.slots.end()) {
      found->second.last_use = tick();
      hits_.fetch_add(1, std::memory_order_relaxed);
      return found->second.bytes;
    }
    if (const auto found = shard.flights.find(key); found != shard.flights.end()) {
      flight = found->second;
      const auto begin = FarWait::Clock::now();
      hits_.fetch_add(1, std::memory_order_relaxed);
      while (!flight->landed) shard.landed.wait(shard.mutex);
      FarWait::until(begin, flight->came);
      if (flight->bytes != nullptr) return flight->bytes;
      return flight->error->clone();
    }
    flight = std::make_shared<Flight>();
    misses_.fetch_add(1, std::memory_order_relaxed);
    shard.flights.emplace(key, flight);
  }

  const auto waited_before = FarWait::so_far();
  Result<SpanBytes> decoded = caught(decode);
  {
    Lock lock(shard.mutex);
    flight->landed = true;
    if (FarWait::so_far() != waited_before) flight->came = FarWait::last_end();
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
  shard.slots.emplace(key, Slot{bytes, tick()});
  bytes_.fetch_add(bytes->size, std::memory_order_relaxed);
}

void SpanCache::drop(Key key, const SpanBytes& failed) {
  Shard& shard = shard_of(key);
  Lock lock(shard.mutex);
  const auto found = shard.slots.find(key);
  if (found == shard.slots.end() || found->second.bytes != failed) return;
  bytes_.fetch_sub(failed->size, std::memory_order_relaxed);
  shard.slots.erase(found);
}

void SpanCache::forget(std::uint64_t source) {
  for (Shard& shard : shards_) {
    std::vector<SpanBytes> dropped;  // freed without the lock
    Lock lock(shard.mutex);
    std::erase_if(shard.slots, [&](auto& entry) {
      if (entry.first.source != source) return false;
      bytes_.fetch_sub(entry.second.bytes->size, std::memory_order_relaxed);
      dropped.push_back(std::move(entry.second.bytes));
      return true;
    });
  }
}

void SpanCache::set_capacity(std::uint64_t bytes) {
  capacity_.store(bytes, std::memory_order_relaxed);
  evict_down_to(bytes);
}

// Looks at all spans for the oldest: there are 64 to some thousands of them, and each look comes after a decode
// that took milliseconds. A hit keeps no order and touches its own shard only.
void SpanCache::evict_down_to(std::uint64_t limit) {
  while (this->bytes() > limit) {
    const auto victim = oldest();
    if (!victim) return;
    Shard& shard = shard_of(victim->key);
    SpanBytes dropped;  // freed without the lock
    Lock lock(shard.mutex);
    const auto found = shard.slots.find(victim->key);
    if (found == shard.slots.end() || found->second.last_use != victim->last_use) continue;  // used since
    dropped = std::move(found->second.bytes);
    shard.slots.erase(found);
    bytes_.fetch_sub(dropped->size, std::memory_order_relaxed);
  }
}

std::optional<SpanCache::Oldest> SpanCache::oldest() {
  std::optional<Oldest> oldest;
  for (Shard& shard : shards_) {
    Lock lock(shard.mutex);
    for (const auto& [key, slot] : shard.slots) {
      if (!oldest || slot.last_use < oldest->last_use) oldest = Oldest{key, slot.last_use};
    }
  }
  return oldest;
}

}  // namespace acetate
