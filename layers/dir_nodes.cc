#include "layers/dir_nodes.h"

#include <atomic>

namespace acetate::dir {

namespace {

// One counter for all layers, so that caches shared by all of them can use the number alone.
std::uint64_t next_number() {
  static std::atomic<std::uint64_t> last{0};
  return last.fetch_add(1, std::memory_order_relaxed) + 1;
}

}  // namespace

Nodes::Nodes(std::function<void(std::uint64_t)> forget) : forget_(std::move(forget)) {
  root_.id = next_number() << kShardBits;
  root_.type = S_IFDIR;
}

Nodes::~Nodes() {
  for (Shard& shard : shards_) {
    Lock lock(shard.mutex);
    for (const auto& [id, item] : shard.by_id) forget_(id);
  }
  forget_(root_.id);
}

const Item& Nodes::get(Node held) const {
  const auto id = static_cast<std::uint64_t>(held);
  if (id == root_.id) return root_;
  const Shard& shard = shard_of(id);
  Lock lock(shard.mutex);
  return *shard.by_id.at(id);
}

const Item& Nodes::acquire(Item like) {
  // The shard is part of the id, so that one mutex guards an item by its name and by its id.
  const std::size_t number = HashKey()(Key{like.parent, like.name}) >> 7 & ((1U << kShardBits) - 1);
  Shard& shard = shards_[number];
  Item* made = nullptr;
  {
    Lock lock(shard.mutex);
    if (const auto found = shard.by_name.find(Key{like.parent, like.name}); found != shard.by_name.end()) {
      ++found->second->holds;
      return *found->second;
    }
    like.id = next_number() << kShardBits | number;
    like.holds = 1;
    auto owned = std::make_unique<Item>(std::move(like));
    made = owned.get();
    shard.by_name.emplace(Key{made->parent, made->name}, made);
    shard.by_id.emplace(made->id, std::move(owned));
  }
  hold(made->parent->node());
  return *made;
}

void Nodes::hold(Node node) {
  const auto id = static_cast<std::uint64_t>(node);
  if (id == root_.id) return;
  Shard& shard = shard_of(id);
  Lock lock(shard.mutex);
  ++shard.by_id.at(id)->holds;
}

void Nodes::release(Node node) {
  auto id = static_cast<std::uint64_t>(node);
  while (id != root_.id) {
    std::unique_ptr<Item> gone;
    {
      Shard& shard = shard_of(id);
      Lock lock(shard.mutex);
      const auto found = shard.by_id.find(id);
      if (--found->second->holds > 0) return;
      gone = std::move(found->second);
      shard.by_name.erase(Key{gone->parent, gone->name});
      shard.by_id.erase(found);
    }
    forget_(id);
    id = gone->parent->id;
  }
}

}  // namespace acetate::dir
