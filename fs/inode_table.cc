#include "fs/inode_table.h"

#include "base/hash.h"
#include "fs/fd_cache.h"

namespace acetate::fs {

namespace {

// Numbers come in sequence: spread them (the finaliser of splitmix64).
std::uint64_t mix(std::uint64_t value) {
  value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9ULL;
  value = (value ^ (value >> 27)) * 0x94d049bb133111ebULL;
  return value ^ (value >> 31);
}

std::uint64_t hash_of_place(const Inode& parent, std::string_view name) {
  return xxh3(name, static_cast<std::uint64_t>(parent.ino));
}

}  // namespace

std::uint64_t hash_of_ino(const Inode& inode) { return mix(static_cast<std::uint64_t>(inode.ino)); }

// The place of an inode that is found by it does not change; only then is it read without the inode's mutex.
std::uint64_t hash_of_key(const Inode& inode) NO_THREAD_SAFETY_ANALYSIS {
  if (inode.key == Inode::Key::by_place) return hash_of_place(*inode.parent, inode.name);
  return mix(inode.upper_ino.load(std::memory_order_relaxed));
}

std::unique_ptr<Inode> InodeTable::make(mode_t type, HeldNode below, std::uint64_t st_ino) {
  const Ino ino{next_.fetch_add(1, std::memory_order_relaxed)};
  std::optional<Node> node;
  if (below) node = below.get();
  auto inode = std::make_unique<Inode>(*this, ino, type, node, st_ino);
  if (below) lower_->hold(below.get());  // the inode's own, given back by destroy(); `below` gives back its
  count_.fetch_add(1, std::memory_order_relaxed);
  return inode;
}

InodeRef InodeTable::find(Ino ino) {
  return by_ino_.find(mix(static_cast<std::uint64_t>(ino)), [&](const Inode& one) { return one.ino == ino; });
}

InodeRef InodeTable::find_upper(std::uint64_t upper_ino) {
  return by_upper_.find(mix(upper_ino), [&](const Inode& one) {
    return one.upper_ino.load(std::memory_order_relaxed) == upper_ino;
  });
}

InodeRef InodeTable::find_placed(const Inode& parent, std::string_view name) {
  return by_place_.find(hash_of_place(parent, name), [&](const Inode& one) NO_THREAD_SAFETY_ANALYSIS {
    return one.parent.get() == &parent && name == one.name;
  });
}

InodeRef InodeTable::add_root(std::unique_ptr<Inode> root, std::uint64_t upper_ino) {
  if (upper_ino != 0) return add_upper(std::move(root), upper_ino);
  InodeRef ours(Adopt{}, root.release());
  return by_ino_.find_or_add(hash_of_ino(*ours), [](const Inode&) { return false; }, ours);
}

InodeRef InodeTable::add_upper(std::unique_ptr<Inode> fresh, std::uint64_t upper_ino) {
  fresh->key = Inode::Key::by_upper;
  fresh->upper_ino.store(upper_ino, std::memory_order_release);
  InodeRef ours(Adopt{}, fresh.release());
  by_ino_.find_or_add(hash_of_ino(*ours), [](const Inode&) { return false; }, ours);
  return by_upper_.find_or_add(
      mix(upper_ino),
      [&](const Inode& one) { return one.upper_ino.load(std::memory_order_relaxed) == upper_ino; }, ours);
}

InodeRef InodeTable::add_placed(std::unique_ptr<Inode> fresh, Inode& parent, std::string_view name) {
  fresh->settle(parent, name);
  fresh->key = Inode::Key::by_place;
  parent.dir->has_placed.store(true, std::memory_order_relaxed);
  InodeRef ours(Adopt{}, fresh.release());
  by_ino_.find_or_add(hash_of_ino(*ours), [](const Inode&) { return false; }, ours);
  return by_place_.find_or_add(
      hash_of_place(parent, name),
      [&](const Inode& one)
          NO_THREAD_SAFETY_ANALYSIS { return one.parent.get() == &parent && name == one.name; },
      ours);
}

void InodeTable::to_upper(Inode& inode, std::uint64_t upper_ino) {
  drop_key(inode);
  inode.key = Inode::Key::by_upper;
  inode.upper_ino.store(upper_ino, std::memory_order_release);
  by_upper_.find_or_add(mix(upper_ino), [](const Inode&) { return false; }, InodeRef(inode));
}

void InodeTable::drop_key(Inode& inode) {
  if (inode.key == Inode::Key::by_place) by_place_.remove(hash_of_key(inode), inode);
  if (inode.key == Inode::Key::by_upper) by_upper_.remove(hash_of_key(inode), inode);
  inode.key = Inode::Key::none;
}

void InodeTable::forget_all() {
  for (const InodeRef& inode : by_ino_.all())
    if (inode->lookups.clear()) const InodeRef kernels(Adopt{}, inode.get());
}

void InodeTable::destroy(Inode* inode) noexcept {
  // Not by recursion: a chain of parents can be as long as a path.
  while (inode != nullptr) {
    by_ino_.remove(hash_of_ino(*inode), *inode);
    drop_key(*inode);
    fds_.remove(*inode);
    other_names_.forget(*inode);
    lower_names_.forget(*inode);
    Inode* above = nullptr;
    {
      Lock lock(inode->mutex);
      above = inode->parent.release();
    }
    // Last, since it may lend the name.
    HeldNode below;
    if (inode->has_lower) below = HeldNode(*lower_, inode->lower);
    delete inode;
    count_.fetch_sub(1, std::memory_order_relaxed);
    if (above != nullptr && above->refs.fetch_sub(1, std::memory_order_acq_rel) != 1) above = nullptr;
    inode = above;
  }
}

}  // namespace acetate::fs
