// Nodes of a stack: how they are written, the table of merged ones, and inode numbers that no two layers
// share.
#include "layers/stack_layer.h"

namespace acetate::stack {

namespace {

// The number above a node's own bits that says "see the table".
constexpr std::uint64_t kTable = (std::uint64_t{1} << (64 - kNodeBits)) - 1;
constexpr std::uint64_t kNodeMask = (std::uint64_t{1} << kNodeBits) - 1;
static_assert(StackLayer::kMostLayers < kTable);

constexpr std::uint64_t position_of(Node node) { return static_cast<std::uint64_t>(node) >> kNodeBits; }
constexpr std::uint64_t low_bits(Node node) { return static_cast<std::uint64_t>(node) & kNodeMask; }
constexpr Node encode(std::uint64_t position, std::uint64_t low) { return Node{position << kNodeBits | low}; }

// Layers number their inodes from small on, and file systems rarely pass 2^43; a group's number goes above. Of five hundred layers all fit into a
// double, in which Node.js keeps such numbers. An upper's own may be below 2^43 (fs/overlay_ino.cc).
constexpr unsigned kInoBits = 43;

// A bijection of 64-bit numbers with no pattern in it (the finaliser of splitmix64).
constexpr std::uint64_t mixed(std::uint64_t x) {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9U;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebU;
  return x ^ (x >> 31);
}

}  // namespace

void Parts::clear() noexcept {
  for (const Part part : parts_) stack_->layer(part).release(part.node);
  parts_.clear();
}

std::span<const Part> Table::parts(std::uint64_t id) const {
  SharedLock lock(mutex_);
  return entries_.at(id).parts;
}

std::optional<std::uint64_t> Table::find(Part top) {
  SharedLock lock(mutex_);
  const auto found = by_top_.find(top);
  if (found == by_top_.end()) return std::nullopt;
  // May raise a count from zero: release() looks again before it takes the entry away.
  entries_.at(found->second).holds.fetch_add(1, std::memory_order_relaxed);
  return found->second;
}

std::uint64_t Table::intern(Parts& parts) {
  Lock lock(mutex_);
  const auto [slot, is_new] = by_top_.try_emplace(parts.all().front(), last_id_ + 1);
  if (!is_new) {
    entries_.at(slot->second).holds.fetch_add(1, std::memory_order_relaxed);
    return slot->second;
  }
  entries_.try_emplace(++last_id_).first->second.parts = parts.release();
  return last_id_;
}

void Table::hold(std::uint64_t id) noexcept {
  SharedLock lock(mutex_);
  entries_.find(id)->second.holds.fetch_add(1, std::memory_order_relaxed);
}

std::vector<Part> Table::release(std::uint64_t id) noexcept {
  {
    SharedLock lock(mutex_);
    const auto found = entries_.find(id);
    if (found->second.holds.fetch_sub(1, std::memory_order_acq_rel) != 1) return {};
  }
  Lock lock(mutex_);
  const auto found = entries_.find(id);
  if (found == entries_.end() || found->second.holds.load(std::memory_order_relaxed) != 0) return {};
  std::vector<Part> left = std::move(found->second.parts);
  by_top_.erase(left.front());
  entries_.erase(found);
  return left;
}

std::span<const Part> StackLayer::parts_of(Node node, Part& single) const {
  if (position_of(node) == kTable) return table_.parts(low_bits(node));
  single = {static_cast<std::uint32_t>(position_of(node)), Node{low_bits(node)}};
  return {&single, 1};
}

Part StackLayer::describing(std::span<const Part> parts) const {
  if (parts.size() == 1) return parts.front();
  for (const Part part : parts) {
    if (!layer(part).implies_directories()) return part;
    const auto attr = layer(part).attr(part.node);
    // One that cannot be asked says so to whoever asks it for more.
    if (!attr || !attr->is_implied) return part;
  }
  return parts.front();
}

Part StackLayer::top_of(Node node) const {
  Part single;
  return describing(parts_of(node, single));
}

Node StackLayer::node_of(Merged& merged) const {
  if (merged.known) return encode(kTable, *merged.known);
  const std::span<const Part> parts = merged.parts.all();
  // A layer that is a stack itself may have nodes too wide to put a position above.
  if (parts.size() > 1 || position_of(parts[0].node) != 0) return encode(kTable, table_.intern(merged.parts));
  const Part only = merged.parts.release_last();
  return encode(only.layer, low_bits(only.node));
}

void StackLayer::hold(Node node) const noexcept {
  if (position_of(node) == kTable) return table_.hold(low_bits(node));
  layers_[position_of(node)]->hold(Node{low_bits(node)});
}

void StackLayer::release(Node node) const noexcept {
  if (position_of(node) != kTable) return layers_[position_of(node)]->release(Node{low_bits(node)});
  for (const Part part : table_.release(low_bits(node))) layer(part).release(part.node);
}

const char* StackLayer::held_name(Node node) const noexcept {
  Part single;
  const Part top = parts_of(node, single).front();
  return layer(top).held_name(top.node);
}

Attr StackLayer::unique(std::uint32_t layer, Attr attr) const noexcept {
  attr.ino = unique_ino(layer, attr.ino);
  return attr;
}

std::uint64_t StackLayer::unique_ino(std::uint32_t layer, std::uint64_t ino) const noexcept {
  if (one_group_) return ino;
  const std::uint64_t group = group_[layer];
  if (ino >> kInoBits == 0) return group << kInoBits | ino;
  return mixed(ino + mixed(group)) | std::uint64_t{1} << 63;
}

}  // namespace acetate::stack
