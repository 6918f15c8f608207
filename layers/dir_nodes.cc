#include "layers/dir_nodes.h"

#include <cstring>
#include <new>

#include "base/hash.h"

namespace acetate::dir {

namespace {

std::uint64_t hash_of(const Item& parent, std::string_view name) noexcept { return xxh3(name, parent.id()); }

// False when nobody holds it: it is going away.
bool try_hold(Item& item) noexcept {
  std::uint32_t now = item.holds.load(std::memory_order_relaxed);
  while (now != 0)
    if (item.holds.compare_exchange_weak(now, now + 1, std::memory_order_acq_rel)) return true;
  return false;
}

}  // namespace

std::uint64_t hash_of_name(const DirItem& item) noexcept { return hash_of(*item.parent, item.name()); }

Item::Ptr Item::make(Item* parent, std::string_view name, const Kind& kind) {
  const std::size_t size = S_ISDIR(kind.type) ? sizeof(DirItem) : sizeof(Item);
  void* room = ::operator new(size + name.size() + 1);
  Ptr item(S_ISDIR(kind.type) ? new (room) DirItem(parent, kind) : new (room) Item(parent, kind));
  char* text = static_cast<char*>(room) + size;
  std::memcpy(text, name.data(), name.size());
  text[name.size()] = '\0';
  return item;
}

void Item::Delete::operator()(Item* item) const noexcept {
  if (item->is_dir()) static_cast<DirItem*>(item)->~DirItem();
  else item->~Item();
  ::operator delete(item);
}

Nodes::Nodes(std::function<void(const Item&)> forget) : forget_(std::move(forget)), root_(Item::make(nullptr, "", {.type = S_IFDIR})) {}

Nodes::~Nodes() { forget_(*root_); }

const Item& Nodes::acquire(const Item& parent, std::string_view name, const Kind& kind) {
  // The layer's own; const only on the way to its readers.
  Item& above = const_cast<Item&>(parent);
  if (S_ISDIR(kind.type)) return acquire_dir(above, name, kind);
  const Item& made = *Item::make(&above, name, kind).release();
  hold(parent.node());
  return made;
}

const Item& Nodes::acquire_dir(Item& parent, std::string_view name, const Kind& kind) {
  const std::uint64_t hash = hash_of(parent, name);
  Shard& shard = shard_of(hash);
  Lock lock(shard.mutex);
  // One that is going away is as good as gone; release() takes it out.
  DirItem* found = shard.by_name.find(hash, [&](DirItem& item) { return item.parent == &parent && name == item.name() && try_hold(item); });
  if (found != nullptr) return *found;
  Item::Ptr fresh = Item::make(&parent, name, kind);
  shard.by_name.add(static_cast<DirItem&>(*fresh));
  hold(parent.node());
  return *fresh.release();
}

void Nodes::release(Node held) noexcept {
  Item* item = &Item::of(held);
  while (item->parent != nullptr && item->holds.fetch_sub(1, std::memory_order_acq_rel) == 1) {
    const Item::Ptr gone(item);
    if (gone->is_dir()) {
      auto& dir = static_cast<DirItem&>(*gone);
      Shard& shard = shard_of(hash_of_name(dir));
      {
        Lock lock(shard.mutex);
        shard.by_name.remove(dir);
      }
      forget_(dir);
    }
    item = gone->parent;
  }
}

}  // namespace acetate::dir
