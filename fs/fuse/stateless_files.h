// Files that the kernel uses without opening them.
//
// Answering OPEN with ENOSYS once makes the kernel leave it and RELEASE out for ever: a warm open is then no round trip at
// all (a third of the time, measured), and a file is made by MKNOD alone. Requests then name an inode and no handle, so the
// handles are ours to keep: the most recently used ones stay open, until the kernel forgets their inode. What an open for
// writing would have done, copying up, is done by the first write.
#pragma once

#include <array>
#include <list>
#include <map>
#include <memory>
#include <optional>

#include "base/mutex.h"
#include "fs/fuse/reply.h"

namespace acetate::fs {

// Thread-safe. Goes before the overlay.
class StatelessFiles {
 public:
  explicit StatelessFiles(Overlay& overlay) : overlay_(overlay) {}

  enum class For : std::uint8_t { reading, writing };

  // An open handle, kept open for as long as somebody has it.
  class Held {
   public:
    Held(Overlay& overlay, Handle handle, For use) : overlay_(overlay), handle_(handle), use_(use) {}
    Held(const Held&) = delete;
    Held& operator=(const Held&) = delete;
    ~Held() { overlay_.release(handle_); }
    Handle handle() const noexcept { return handle_; }
    // What is open for writing is so for reading too.
    bool serves(For use) const noexcept { return use == use_ || (use == For::reading && use_ == For::writing); }

   private:
    Overlay& overlay_;
    Handle handle_;
    For use_;
  };
  using HeldPtr = std::shared_ptr<const Held>;

  // Opened now, if it is not. For writing: copies up.
  Result<HeldPtr> get(Ino ino, For use);
  // Only if it is open.
  std::optional<HeldPtr> find(Ino ino, For use);
  // A handle, open for writing, that is ours from now on.
  void keep(Ino ino, Handle handle) { (void)put(ino, std::make_shared<const Held>(overlay_, handle, For::writing), For::writing); }
  // The kernel has forgotten the inode: nobody has it open, and the space of an unlinked one is to be free.
  void drop(Ino ino) noexcept;

  // Set at INIT: old kernels know no such answer, and open as ever.
  bool without_open = false;

 private:
  static constexpr std::size_t kShards = 16;
  struct Shard {
    using Recent = std::list<std::pair<Ino, HeldPtr>>;  // the most recently used first
    Mutex mutex;
    Recent recent GUARDED_BY(mutex);
    std::map<Ino, Recent::iterator> by_ino GUARDED_BY(mutex);
  };

  static std::size_t fair_share() noexcept;
  Shard& shard_of(Ino ino) { return shards_[static_cast<std::uint64_t>(ino) % kShards]; }
  Result<Opened> open(Ino ino, For use);
  HeldPtr put(Ino ino, HeldPtr held, For use);
  void shed() noexcept;

  Overlay& overlay_;
  const std::size_t per_shard_ = fair_share();
  std::array<Shard, kShards> shards_;
};

// Calls `use` with the request's handle, or with one of ours when it came without (handles count from 1).
template <class F>
auto with_file(fuse_req_t req, fuse_ino_t ino, const fuse_file_info* info, StatelessFiles::For what, F&& use)
    -> decltype(use(Handle{})) {
  StatelessFiles* const files = served(req).stateless;
  if (files == nullptr || info->fh != 0) return use(Handle{info->fh});
  const auto held = TRY(files->get(Ino{ino}, what));
  return use(held->handle());
}

}  // namespace acetate::fs
