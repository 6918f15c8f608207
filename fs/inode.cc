// An inode's place and descriptor: the parts that change while others look.
#include "fs/inode.h"

#include <cstring>

#include "fs/inode_table.h"

namespace acetate::fs {

// With the allocator's word 128 bytes. A name of its own (16 to 32 bytes), two buckets and what a layer keeps of it come on top: 200 at most.
static_assert(sizeof(Inode) <= 120);

Inode::Inode(InodeTable& in, Ino number, mode_t kind, std::optional<Node> below, std::uint64_t shown_ino)
    : table(in),
      ino(number),
      lower(below.value_or(Node{})),
      type(static_cast<std::uint16_t>(kind & S_IFMT)),
      has_lower(below.has_value()),
      st_ino(shown_ino),
      dir(S_ISDIR(kind) ? std::make_unique<Directory>() : nullptr) {}

Inode::~Inode() {
  Lock lock(mutex);
  drop_name();
}

InodeRef::~InodeRef() {
  if (inode_ != nullptr && inode_->refs.fetch_sub(1, std::memory_order_acq_rel) == 1)
    inode_->table.destroy(inode_);
}

bool Inode::try_ref() noexcept {
  std::uint32_t now = refs.load(std::memory_order_relaxed);
  while (now != 0)
    if (refs.compare_exchange_weak(now, now + 1, std::memory_order_acq_rel)) return true;
  return false;
}

std::optional<Place> Inode::place() {
  Lock lock(mutex);
  if (!parent) return std::nullopt;
  return Place::of(parent, name, version);
}

bool Inode::has_place() {
  Lock lock(mutex);
  return static_cast<bool>(parent);
}

bool Inode::is_at(const Inode& parent_dir, std::string_view at_name) {
  Lock lock(mutex);
  return parent.get() == &parent_dir && at_name == name;
}

bool Inode::is_in(const Inode& parent_dir) {
  Lock lock(mutex);
  return parent.get() == &parent_dir;
}

bool Inode::has_version(std::uint32_t wanted) {
  Lock lock(mutex);
  return version == wanted;
}

FdPtr Inode::descriptor() {
  Lock lock(mutex);
  if (fd) fd_used.store(true, std::memory_order_relaxed);
  return fd;
}

void Inode::settle(Inode& parent_dir, std::string_view at_name) {
  const InodeRef above(parent_dir);
  Lock lock(mutex);
  if (parent) return;
  set_name(at_name);
  parent = above;
  ++version;
}

void Inode::leave_place(FdPtr stays) {
  InodeRef before;
  {
    Lock lock(mutex);
    before = std::move(parent);
    drop_name();
    fd = std::move(stays);
    ++version;
  }
}  // the parent may go away here, without our mutex

void Inode::keep_name() {
  Lock lock(mutex);
  if (name == nullptr || name_is_own) return;
  const std::string_view text = name;
  auto* copy = new char[text.size() + 1];
  std::memcpy(copy, text.data(), text.size() + 1);
  name = copy;
  name_is_own = true;
}

void Inode::borrow_name() {
  Lock lock(mutex);
  if (name == nullptr) return;
  const std::string text = name;
  set_name(text);
}

// Most names are those that the layer below keeps anyway.
void Inode::set_name(std::string_view text) {
  const char* lent = has_lower ? table.lower().held_name(lower) : nullptr;
  if (lent == nullptr || text != lent) {
    auto* copy = new char[text.size() + 1];
    std::memcpy(copy, text.data(), text.size());
    copy[text.size()] = '\0';
    drop_name();
    name = copy;
    name_is_own = true;
    return;
  }
  drop_name();
  name = lent;
}

void Inode::drop_name() {
  if (name_is_own) delete[] name;
  name = nullptr;
  name_is_own = false;
}

}  // namespace acetate::fs
