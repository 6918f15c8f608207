// The nodes of a directory layer: which names are held, and by which way they are reached.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <unordered_map>

#include "base/mutex.h"
#include "layers/layer.h"

namespace acetate::dir {

// A held name. Constant once made, but for `holds`.
struct Item {
  std::uint64_t id = 0;         // of no other item of the process, ever
  Item* parent = nullptr;       // null: the root. Each item has a hold of its parent
  std::string name;             // "" for the root
  mode_t type = 0;              // S_IFMT, as shown
  bool stored_as_file = false;  // on disk it is a regular file whatever `type` says
  bool fresh = false;           // a directory that replaced what is below it
  bool may_redirect = false;    // its parent says that it may have a redirect
  bool metacopy = false;
  std::uint64_t holds = 1;  // guarded by its shard's mutex

  Node node() const noexcept { return Node{id}; }
  FileAt at(FdRef parent_dir) const noexcept { return {parent_dir, name.c_str()}; }
};

// Thread-safe. An item is alive, and stays where it is, while it is held.
class Nodes {
 public:
  // `forget` is told of each item that goes away; after no lock is held.
  explicit Nodes(std::function<void(std::uint64_t id)> forget);
  Nodes(const Nodes&) = delete;
  Nodes& operator=(const Nodes&) = delete;
  ~Nodes();

  const Item& root() const noexcept { return root_; }
  const Item& get(Node held) const;
  // The item of a name, held once more; made from `like` (its parent, name and properties) when it is not
  // there. Precondition: the parent is held.
  const Item& acquire(Item like);
  void hold(Node node);
  void release(Node node);

 private:
  static constexpr unsigned kShardBits = 4;
  struct Key {
    const Item* parent;
    std::string_view name;
    bool operator==(const Key&) const = default;
  };
  struct HashKey {
    std::size_t operator()(const Key& key) const noexcept {
      return std::hash<std::string_view>()(key.name) ^ (key.parent->id * 0x9e3779b97f4a7c15U);
    }
  };
  struct Shard {
    mutable Mutex mutex;
    std::unordered_map<std::uint64_t, std::unique_ptr<Item>> by_id GUARDED_BY(mutex);
    std::unordered_map<Key, Item*, HashKey> by_name GUARDED_BY(mutex);
  };
  Shard& shard_of(std::uint64_t id) { return shards_[id & ((1U << kShardBits) - 1)]; }
  const Shard& shard_of(std::uint64_t id) const { return shards_[id & ((1U << kShardBits) - 1)]; }

  const std::function<void(std::uint64_t)> forget_;
  Item root_;
  std::array<Shard, 1U << kShardBits> shards_;
};

}  // namespace acetate::dir
