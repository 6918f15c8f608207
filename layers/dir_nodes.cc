#include "layers/dir_nodes.h"

#include <atomic>
#include <cstring>
#include <new>
#include <stdexcept>

#include "base/hash.h"

namespace acetate::dir {

namespace {

constexpr std::uint64_t kSpread = 0x9e3779b97f4a7c15U;  // numbers come in sequence

// One counter for all layers, so that caches shared by all of them can use the number alone.
std::uint64_t next_number() {
  static std::atomic<std::uint64_t> last{0};
  return last.fetch_add(1, std::memory_order_relaxed) + 1;
}

std::uint64_t hash_of(std::uint64_t id) noexcept { return id * kSpread; }
std::uint64_t hash_of(const Item& parent, std::string_view name) noexcept { return xxh3(name, parent.id); }

}  // namespace

std::uint64_t hash_of_id(const Item& item) noexcept { return hash_of(item.id); }
std::uint64_t hash_of_name(const Item& item) noexcept { return hash_of(*item.parent, item.name()); }

Item::Ptr Item::make(std::uint64_t id, Item* parent, std::string_view name, const Kind& kind) {
  void* room = ::operator new(sizeof(Item) + name.size() + 1);
  Ptr item(new (room) Item(id, parent, kind));
  auto* text = reinterpret_cast<char*>(item.get() + 1);
  std::memcpy(text, name.data(), name.size());
  text[name.size()] = '\0';
  return item;
}

void Item::Delete::operator()(Item* item) const noexcept {
  item->~Item();
  ::operator delete(item);
}

Nodes::Nodes(std::function<void(std::uint64_t)> forget)
    : forget_(std::move(forget)), root_(Item::make(next_number() << kShardBits, nullptr, "", {.type = S_IFDIR})) {}

Nodes::~Nodes() {
  for (Shard& shard : shards_) {
    std::vector<Item::Ptr> left;
    {
      Lock lock(shard.mutex);
      shard.by_id.for_each([&](Item& item) { left.emplace_back(&item); });
    }
    for (const Item::Ptr& item : left) forget_(item->id);
  }
  forget_(root_->id);
}

Item& Nodes::item_locked(const Shard& shard, std::uint64_t id) {
  Item* found = shard.by_id.find(hash_of(id), [&](const Item& item) { return item.id == id; });
  if (found == nullptr) throw std::out_of_range("a node that nobody holds");
  return *found;
}

const Item& Nodes::get(Node held) const {
  const auto id = static_cast<std::uint64_t>(held);
  if (id == root_->id) return *root_;
  const Shard& shard = shard_of(id);
  Lock lock(shard.mutex);
  return item_locked(shard, id);
}

const Item& Nodes::acquire(const Item& parent, std::string_view name, const Kind& kind) {
  // The shard is part of the id, so that one mutex guards an item by its name and by its id.
  const std::uint64_t hash = hash_of(parent, name);
  const std::uint64_t number = hash & ((1U << kShardBits) - 1);
  Shard& shard = shards_[number];
  Item* made = nullptr;
  {
    Lock lock(shard.mutex);
    Item* found = shard.by_name.find(hash, [&](const Item& item) { return item.parent == &parent && name == item.name(); });
    if (found != nullptr) {
      ++found->holds;
      return *found;
    }
    // The layer's own; const only on the way to its readers.
    Item::Ptr fresh = Item::make(next_number() << kShardBits | number, const_cast<Item*>(&parent), name, kind);
    shard.by_name.add(*fresh);
    try {
      shard.by_id.add(*fresh);
    } catch (...) {
      shard.by_name.remove(*fresh);
      throw;
    }
    made = fresh.release();
  }
  hold(parent.node());
  return *made;
}

void Nodes::hold(Node node) {
  const auto id = static_cast<std::uint64_t>(node);
  if (id == root_->id) return;
  Shard& shard = shard_of(id);
  Lock lock(shard.mutex);
  ++item_locked(shard, id).holds;
}

void Nodes::release(Node node) {
  auto id = static_cast<std::uint64_t>(node);
  while (id != root_->id) {
    Item::Ptr gone;
    {
      Shard& shard = shard_of(id);
      Lock lock(shard.mutex);
      Item& item = item_locked(shard, id);
      if (--item.holds > 0) return;
      shard.by_name.remove(item);
      shard.by_id.remove(item);
      gone.reset(&item);
    }
    forget_(id);
    id = gone->parent->id;
  }
}

}  // namespace acetate::dir
