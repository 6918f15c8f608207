// A hash table of numbers of things that are kept elsewhere: 8 bytes a slot, open addressing, nothing is ever
// removed. Built in memory with the same slots that a layer index has on disk.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "layers/tar/index_format.h"

namespace acetate {

class ProbeTable {
 public:
  explicit ProbeTable(std::size_t expected = 0) : slots_(std::bit_ceil(expected + expected / 2 + 16)) {}

  // The number for which `matches` says yes, of those inserted under this hash.
  template <class F>
  std::optional<std::uint32_t> find(std::uint32_t hash, F&& matches) const {
    const std::size_t mask = slots_.size() - 1;
    for (std::size_t at = hash & mask; slots_[at].item != 0; at = (at + 1) & mask)
      if (slots_[at].hash == hash && matches(slots_[at].item - 1)) return slots_[at].item - 1;
    return std::nullopt;
  }

  void insert(std::uint32_t hash, std::uint32_t item) {
    if ((count_ + 1) * 10 > slots_.size() * 7) grow();
    place({hash, item + 1});
    ++count_;
  }

  const std::vector<lix::Slot>& slots() const noexcept { return slots_; }

 private:
  void place(lix::Slot slot) {
    const std::size_t mask = slots_.size() - 1;
    std::size_t at = slot.hash & mask;
    while (slots_[at].item != 0) at = (at + 1) & mask;
    slots_[at] = slot;
  }
  void grow() {
    std::vector<lix::Slot> old(slots_.size() * 2);
    old.swap(slots_);
    for (const lix::Slot& slot : old)
      if (slot.item != 0) place(slot);
  }

  std::vector<lix::Slot> slots_;
  std::size_t count_ = 0;
};

}  // namespace acetate
