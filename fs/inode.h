// Inode: one object of the merged tree, for as long as the kernel, a child or an open handle knows it.
//
// What backs it is a node of the lower tree, an object of the upper tree, or (a merged directory) both. It goes
// from lower to upper once, at copy-up, and never back. The upper object is reached by a descriptor, if one is
// at hand, or by its place: the parent's descriptor and a name. A place can change while somebody uses it, so
// whoever moves an object does it between leave_place() and settle(): in between the object has a descriptor
// that stays and no place, and `version` tells a reader that what he opened by the old place proves nothing.
//
// Kept small: a container's root has a hundred thousand of these.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>

#include "base/mutex.h"
#include "fs/fd_ptr.h"
#include "fs/kernel_lookups.h"
#include "fs/name.h"
#include "fs/small_mutex.h"
#include "fs/types.h"
#include "layers/layer.h"

namespace acetate::fs {

class InodeTable;
struct Inode;

// A counted reference. Dropping the last one takes the inode out of its table.
class InodeRef {
 public:
  InodeRef() = default;
  explicit InodeRef(Inode& inode) noexcept;  // counts one more
  InodeRef(Adopt, Inode* counted) noexcept : inode_(counted) {}
  InodeRef(const InodeRef& other) noexcept;
  InodeRef(InodeRef&& other) noexcept : inode_(std::exchange(other.inode_, nullptr)) {}
  InodeRef& operator=(InodeRef other) noexcept {
    std::swap(inode_, other.inode_);
    return *this;
  }
  ~InodeRef();

  explicit operator bool() const noexcept { return inode_ != nullptr; }
  Inode& operator*() const noexcept { return *inode_; }
  Inode* operator->() const noexcept { return inode_; }
  Inode* get() const noexcept { return inode_; }
  Inode* release() noexcept { return std::exchange(inode_, nullptr); }

 private:
  Inode* inode_ = nullptr;
};

enum class Known : std::uint8_t { not_yet, no, yes };

// What only directories have.
struct Directory {
  SharedMutex mutex;                     // Overlay's Inode::dir_mutex: held exclusively to change names below
  std::atomic<std::uint64_t> changes{0};  // odd while somebody changes names: lets lookups go without the mutex
  bool dead = false;                     // removed: nothing can be made in it. Guarded by mutex
  bool xattr_whiteouts = false;          // overlay.opaque is "x"; fixed when the inode is made
  std::atomic<Known> file_whiteouts{Known::not_yet};  // the upper directory holds ".wh." names
  std::atomic<Known> impure{Known::not_yet};          // it holds objects that brought their st_ino from below
  std::atomic<Known> default_acl{Known::not_yet};
  std::atomic<bool> has_placed{false};                // something was found by its place in it before
};

// Where an upper object (or, until copy-up, a lower one) hangs in the tree.
struct Place {
  InodeRef parent;
  Name name;
  std::uint32_t version;

  static Place of(InodeRef parent, const char* name, std::uint32_t version) {
    return Place{std::move(parent), Name(std::string_view(name)), version};
  }
};

struct Inode {
  enum class Key : std::uint8_t { none, by_place, by_upper };

  Inode(InodeTable& in, Ino number, mode_t kind, std::optional<Node> below, std::uint64_t shown_ino);
  ~Inode();
  Inode(const Inode&) = delete;
  Inode& operator=(const Inode&) = delete;

  bool is_dir() const noexcept { return S_ISDIR(type); }
  bool is_upper() const noexcept { return upper_ino.load(std::memory_order_acquire) != 0; }

  // False when there is none left: it is going away.
  bool try_ref() noexcept;

  // Nothing when it has none (unlinked, being moved, the root).
  std::optional<Place> place();
  bool has_place();
  bool is_at(const Inode& parent_dir, std::string_view at_name);
  bool is_in(const Inode& parent_dir);
  bool has_version(std::uint32_t wanted);
  FdPtr descriptor();
  // Gives it a place if it has none.
  void settle(Inode& parent_dir, std::string_view at_name);
  // Another node is about to take the place of `lower`, which may lend its name; and has done so.
  void keep_name();
  void borrow_name();
  // From now on reached by `stays` only, which is kept.
  void leave_place(FdPtr stays);

  // --- fixed, but for a refresh
  InodeTable& table;
  const Ino ino;
  Node lower;  // held; meaningful when has_lower; both change in a refresh only, when nothing else runs
  const std::uint16_t type;  // S_IFMT bits
  bool has_lower;  // a directory: merged with, or only in, the lower; another: it came, or its bytes come, from there

  // These are here for the room, which is tight.
  bool copying = false;  // guarded by the overlay's copy gate
  bool name_is_own GUARDED_BY(mutex) = false;
  std::atomic<bool> metacopy{false};  // in the upper, but for its bytes; goes once, at the gate
  // Where the kernel knows it with suid (4) or sgid (2), which a write may take away: these, and whether its group may execute it (1), on
  // which sgid's fate hangs. Else 0.
  std::atomic<std::uint8_t> told_privileges{0};

  // --- InodeTable's; `key` changes only while the parent's names are locked
  Key key = Key::none;
  Inode* next_by_ino = nullptr;
  Inode* next_by_key = nullptr;

  std::atomic<std::uint32_t> refs{1};
  KernelLookups lookups;                    // changed under mutex
  std::atomic<std::uint64_t> upper_ino{0};  // st_ino in the upper file system; 0: lower only
  std::atomic<std::uint64_t> st_ino;        // what users see

  SmallMutex mutex;
  std::uint32_t version GUARDED_BY(mutex) = 0;
  InodeRef parent GUARDED_BY(mutex);
  const char* name GUARDED_BY(mutex) = nullptr;  // its own, or lent by `lower`
  FdPtr fd GUARDED_BY(mutex);  // O_PATH, of the upper object

  std::uint32_t fd_slot = 0;          // FdCache's
  std::atomic<bool> fd_used{false};   // FdCache's second chance
  // Its node of the lower has no attributes: nothing need be asked. Without one: it was made here, and nobody has given it
  // capabilities since.
  std::atomic<bool> bare{false};
  std::atomic<bool> has_other_names{false};  // OtherNames may know of some
  static constexpr std::uint8_t kHasPages = 1, kMayBeMapped = 2;
  std::atomic<std::uint8_t> pages{0};  // Overlay::note_pages() and note_mappable()
  const std::unique_ptr<Directory> dir;

 private:
  void set_name(std::string_view text) REQUIRES(mutex);
  void drop_name() REQUIRES(mutex);
};

inline InodeRef::InodeRef(Inode& inode) noexcept : inode_(&inode) {
  inode.refs.fetch_add(1, std::memory_order_relaxed);
}
inline InodeRef::InodeRef(const InodeRef& other) noexcept : inode_(other.inode_) {
  if (inode_ != nullptr) inode_->refs.fetch_add(1, std::memory_order_relaxed);
}

// Holds a directory's names exclusively, and tells those who look without the mutex.
class SCOPED_CAPABILITY DirChange {
 public:
  explicit DirChange(Directory& dir) ACQUIRE(dir.mutex) : dir_(dir) {
    dir_.mutex.lock();
    dir_.changes.fetch_add(1, std::memory_order_acq_rel);
  }
  ~DirChange() RELEASE() {
    dir_.changes.fetch_add(1, std::memory_order_acq_rel);
    dir_.mutex.unlock();
  }
  DirChange(const DirChange&) = delete;
  DirChange& operator=(const DirChange&) = delete;

 private:
  Directory& dir_;
};

}  // namespace acetate::fs
