// A hash table chained through what is in it: four to eight bytes an entry, and nothing to allocate for one. Not thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace acetate {

// `Next` is the table's own while an entry is in it. HashOf() must not change meanwhile; its lower eight bits are left to those who divide entries among
// several tables by them.
template <class T, T* T::*Next, std::uint64_t (*HashOf)(const T&)>
class ChainedTable {
 public:
  // The first for which match() is true.
  template <class Match>
  T* find(std::uint64_t hash, Match&& match) const {
    if (buckets_.empty()) return nullptr;
    for (T* at = buckets_[bucket(hash)]; at != nullptr; at = at->*Next)
      if (match(*at)) return at;
    return nullptr;
  }
  void add(T& entry) {
    // Two in a bucket.
    if (count_ >= 2 * buckets_.size()) grow();
    T*& head = buckets_[bucket(HashOf(entry))];
    entry.*Next = head;
    head = &entry;
    ++count_;
  }
  // Nothing where it is not there.
  void remove(const T& entry) noexcept {
    if (buckets_.empty()) return;
    for (T** at = &buckets_[bucket(HashOf(entry))]; *at != nullptr; at = &((*at)->*Next)) {
      if (*at != &entry) continue;
      *at = (*at)->*Next;
      --count_;
      // With room to spare: a few that come and go must not have it made smaller and larger each time.
      if (buckets_.size() > kFewest && 2 * count_ < buckets_.size()) shrink();
      return;
    }
  }
  template <class Each>
  void for_each(Each&& each) const {
    for (T* at : buckets_)
      for (; at != nullptr; at = at->*Next) each(*at);
  }

 private:
  static constexpr std::size_t kFewest = 4;

  std::size_t bucket(std::uint64_t hash) const { return (hash >> 8) & (buckets_.size() - 1); }
  void grow() {
    std::vector<T*> old(buckets_.empty() ? kFewest : buckets_.size() * 2, nullptr);
    old.swap(buckets_);
    for (T* at : old) {
      while (at != nullptr) {
        T* entry = at;
        at = entry->*Next;
        T*& head = buckets_[bucket(HashOf(*entry))];
        entry->*Next = head;
        head = entry;
      }
    }
  }
  // The upper half's buckets are those of the lower half, one bit of the hash less being asked.
  void shrink() noexcept {
    const std::size_t half = buckets_.size() / 2;
    for (std::size_t i = 0; i < half; ++i) {
      T** end = &buckets_[i];
      while (*end != nullptr) end = &((*end)->*Next);
      *end = buckets_[half + i];
    }
    buckets_.resize(half);
    buckets_.shrink_to_fit();
  }

  std::vector<T*> buckets_;
  std::size_t count_ = 0;
};

}  // namespace acetate
