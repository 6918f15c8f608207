// The nodes of a directory layer: which names are held, and by which way they are reached.
#pragma once

#include <array>
#include <atomic>
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
  std::uint16_t type = 0;           // S_IFMT, as shown
  bool stored_as_file : 1 = false;  // on disk it is a regular file whatever `type` says
  bool fresh : 1 = false;           // a directory that replaced what is below it
  bool may_redirect : 1 = false;    // its parent says that it may have a redirect
  bool metacopy : 1 = false;
};

// A held name, which stands behind it in one piece of memory: a container's root has a hundred thousand of these. Its node is where it lies, so
// that nothing is searched. Constant once made, but for its holds.
class Item {
 public:
  struct Delete {
    void operator()(Item* item) const noexcept;
  };
  using Ptr = std::unique_ptr<Item, Delete>;
  static Ptr make(Item* parent, std::string_view name, const Kind& kind);
  Item(const Item&) = delete;
  Item& operator=(const Item&) = delete;

  static Item& of(Node held) noexcept { return *reinterpret_cast<Item*>(static_cast<std::uintptr_t>(held) << kAlignedBits); }
  Node node() const noexcept { return Node{reinterpret_cast<std::uintptr_t>(this) >> kAlignedBits}; }
  // For caches shared by all layers. Not another item's before this one is gone.
  std::uint64_t id() const noexcept { return static_cast<std::uint64_t>(node()); }

  const char* name() const noexcept;  // "" for the root
  FileAt at(FdRef parent_dir) const noexcept { return {parent_dir, name()}; }
  bool is_dir() const noexcept { return S_ISDIR(kind.type); }

  Item* const parent;  // null: the root. Each item has a hold of its parent
  std::atomic<std::uint32_t> holds{1};
  const Kind kind;

 protected:
  Item(Item* above, const Kind& what) : parent(above), kind(what) {}

 private:
  // What operator new gives is aligned so; of an address 44 bits are left, of those of 48 bits too.
  static constexpr unsigned kAlignedBits = 4;
  static_assert(__STDCPP_DEFAULT_NEW_ALIGNMENT__ >= 1U << kAlignedBits && 48 - kAlignedBits <= kNodeBits);
};

// Directories are found again by their names, since what is known of them (descriptor, listing) belongs to one item. A file that is looked up
// twice is two items.
class DirItem final : public Item {
 public:
  DirItem(Item* above, const Kind& what) : Item(above, what) {}
  DirItem* next_by_name = nullptr;  // guarded by its shard's mutex
};

inline const char* Item::name() const noexcept { return reinterpret_cast<const char*>(this) + (is_dir() ? sizeof(DirItem) : sizeof(Item)); }

std::uint64_t hash_of_name(const DirItem& item) noexcept;

// Thread-safe. An item is alive, and stays where it is, while it is held.
class Nodes {
 public:
  // `forget` is told of each directory that goes away, before anything can be made where it lies; after no lock is held.
  explicit Nodes(std::function<void(const Item& dir)> forget);
  Nodes(const Nodes&) = delete;
  Nodes& operator=(const Nodes&) = delete;
  // Precondition: nothing is held any more.
  ~Nodes();

  const Item& root() const noexcept { return *root_; }
  const Item& get(Node held) const noexcept { return Item::of(held); }
  // The item of a name, held once more; made when it is not there. Precondition: the parent, one of ours, is held.
  const Item& acquire(const Item& parent, std::string_view name, const Kind& kind);
  void hold(Node held) noexcept { Item::of(held).holds.fetch_add(1, std::memory_order_relaxed); }
  void release(Node held) noexcept;

 private:
  struct Shard {
    Mutex mutex;
    ChainedTable<DirItem, &DirItem::next_by_name, hash_of_name> by_name GUARDED_BY(mutex);
  };
  Shard& shard_of(std::uint64_t hash) { return shards_[hash % shards_.size()]; }
  const Item& acquire_dir(Item& parent, std::string_view name, const Kind& kind);

  const std::function<void(const Item&)> forget_;
  const Item::Ptr root_;
  std::array<Shard, 16> shards_;
};

}  // namespace acetate::dir
