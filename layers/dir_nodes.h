// The nodes of a directory layer: which names are held, and by which way they are reached.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>

#include "base/chained_table.h"
#include "base/mutex.h"
#include "layers/layer.h"

namespace acetate::dir {

// What is known of a name without asking again.
struct Kind {
  mode_t type = 0;              // S_IFMT, as shown
  bool stored_as_file = false;  // on disk it is a regular file whatever `type` says
  bool fresh = false;           // a directory that replaced what is below it
  bool may_redirect = false;    // its parent says that it may have a redirect
  bool metacopy = false;
};

// A held name, which stands behind it in one piece of memory: a container's root has a hundred thousand of these. Constant once made, but for what
// is Nodes's.
class Item {
 public:
  struct Delete {
    void operator()(Item* item) const noexcept;
  };
  using Ptr = std::unique_ptr<Item, Delete>;
  static Ptr make(std::uint64_t id, Item* parent, std::string_view name, const Kind& kind);
  Item(const Item&) = delete;
  Item& operator=(const Item&) = delete;

  const std::uint64_t id;  // of no other item of the process, ever
  Item* const parent;      // null: the root. Each item has a hold of its parent
  const Kind kind;

  const char* name() const noexcept { return reinterpret_cast<const char*>(this + 1); }  // "" for the root
  Node node() const noexcept { return Node{id}; }
  FileAt at(FdRef parent_dir) const noexcept { return {parent_dir, name()}; }

  // --- guarded by its shard's mutex
  Item* next_by_id = nullptr;
  Item* next_by_name = nullptr;
  std::uint64_t holds = 1;

 private:
  Item(std::uint64_t number, Item* above, const Kind& what) : id(number), parent(above), kind(what) {}
};

std::uint64_t hash_of_id(const Item& item) noexcept;
std::uint64_t hash_of_name(const Item& item) noexcept;

// Thread-safe. An item is alive, and stays where it is, while it is held.
class Nodes {
 public:
  // `forget` is told of each item that goes away; after no lock is held.
  explicit Nodes(std::function<void(std::uint64_t id)> forget);
  Nodes(const Nodes&) = delete;
  Nodes& operator=(const Nodes&) = delete;
  ~Nodes();

  const Item& root() const noexcept { return *root_; }
  const Item& get(Node held) const;
  // The item of a name, held once more; made when it is not there. Precondition: the parent, one of ours, is held.
  const Item& acquire(const Item& parent, std::string_view name, const Kind& kind);
  void hold(Node node);
  void release(Node node);

 private:
  static constexpr unsigned kShardBits = 4;
  struct Shard {
    mutable Mutex mutex;
    ChainedTable<Item, &Item::next_by_id, hash_of_id> by_id GUARDED_BY(mutex);
    ChainedTable<Item, &Item::next_by_name, hash_of_name> by_name GUARDED_BY(mutex);
  };
  Shard& shard_of(std::uint64_t id) { return shards_[id & ((1U << kShardBits) - 1)]; }
  const Shard& shard_of(std::uint64_t id) const { return shards_[id & ((1U << kShardBits) - 1)]; }
  static Item& item_locked(const Shard& shard, std::uint64_t id) REQUIRES(shard.mutex);

  const std::function<void(std::uint64_t)> forget_;
  const Item::Ptr root_;
  std::array<Shard, 1U << kShardBits> shards_;
};

}  // namespace acetate::dir
