// An inode's place and descriptor: the parts that change while others look.
#include "fs/inode.h"

#include <cstring>

#include "fs/inode_table.h"

namespace acetate::fs {

// With the name (16 to 32 bytes) and two buckets an inode of a file stays below 200 bytes.
static_assert(sizeof(Inode) <= 152);

Inode::Inode(InodeTable& in, Ino number, mode_t kind, std::optional<Node> below, std::uint64_t shown_ino)
    : table(in),
      ino(number),
      lower(below.value_or(Node{})),
      type(kind & S_IFMT),
      has_lower(below.has_value()),
      st_ino(shown_ino),
      dir(S_ISDIR(kind) ? std::make_unique<Directory>() : nullptr) {}

Inode::~Inode() = default;

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
  return Place::of(parent, name.get(), version);
}

bool Inode::has_place() {
  Lock lock(mutex);
  return static_cast<bool>(parent);
}

bool Inode::is_at(const Inode& parent_dir, std::string_view at_name) {
  Lock lock(mutex);
  return parent.get() == &parent_dir && at_name == name.get();
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
  std::unique_ptr<char[]> copy(new char[at_name.size() + 1]);
  std::memcpy(copy.get(), at_name.data(), at_name.size());
  copy[at_name.size()] = '\0';
  const InodeRef above(parent_dir);
  Lock lock(mutex);
  if (parent) return;
  parent = above;
  name = std::move(copy);
  ++version;
}

void Inode::leave_place(FdPtr stays) {
  InodeRef before;
  {
    Lock lock(mutex);
    before = std::move(parent);
    name.reset();
    fd = std::move(stays);
    ++version;
  }
}  // the parent may go away here, without our mutex

}  // namespace acetate::fs
