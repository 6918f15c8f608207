// Files and directories of a read-only mount, which the kernel reads without opening them.
//
// Answering OPEN and OPENDIR with ENOSYS once makes the kernel leave them out for ever: a warm open is then no round
// trip at all (a third of the time, measured). Reads then name an inode and no handle, so the handles are ours to
// keep: the most recently used ones stay open. Only for mounts the kernel itself knows as read-only, where an open can
// neither truncate nor copy up.
#pragma once

#include <array>
#include <compare>
#include <list>
#include <map>
#include <memory>

#include "base/mutex.h"
#include "fs/fuse/reply.h"

namespace acetate::fs {

// Thread-safe. Goes before the overlay.
class StatelessFiles {
 public:
  explicit StatelessFiles(Overlay& overlay) : overlay_(overlay) {}

  // An open handle, kept open for as long as somebody has it.
  class Held {
   public:
    Held(Overlay& overlay, Handle handle, bool dir) : overlay_(overlay), handle_(handle), dir_(dir) {}
    Held(const Held&) = delete;
    Held& operator=(const Held&) = delete;
    ~Held() { dir_ ? overlay_.releasedir(handle_) : overlay_.release(handle_); }
    Handle handle() const noexcept { return handle_; }

   private:
    Overlay& overlay_;
    Handle handle_;
    bool dir_;
  };
  using HeldPtr = std::shared_ptr<const Held>;

  Result<HeldPtr> file(Ino ino) { return get(ino, false); }
  Result<HeldPtr> dir(Ino ino) { return get(ino, true); }

  // Set at INIT: old kernels know no such answer, and open as ever.
  bool without_open = false;
  bool without_opendir = false;

 private:
  static constexpr std::size_t kPerShard = 16;
  struct Key {
    Ino ino;
    bool dir;
    auto operator<=>(const Key&) const = default;
  };
  struct Shard {
    using Recent = std::list<std::pair<Key, HeldPtr>>;  // the most recently used first
    Mutex mutex;
    Recent recent GUARDED_BY(mutex);
    std::map<Key, Recent::iterator> by_key GUARDED_BY(mutex);
  };

  Result<HeldPtr> get(Ino ino, bool dir);

  Overlay& overlay_;
  std::array<Shard, 16> shards_;
};

// Calls `use` with the request's handle, or with one of ours when it came without (handles count from 1).
template <class F>
auto with_file(fuse_req_t req, fuse_ino_t ino, const fuse_file_info* info, F&& use) -> decltype(use(Handle{})) {
  StatelessFiles* const files = served(req).stateless;
  if (files == nullptr || info->fh != 0) return use(Handle{info->fh});
  const auto held = TRY(files->file(Ino{ino}));
  return use(held->handle());
}
template <class F>
auto with_dir(fuse_req_t req, fuse_ino_t ino, const fuse_file_info* info, F&& use) -> decltype(use(Handle{})) {
  StatelessFiles* const files = served(req).stateless;
  if (files == nullptr || info->fh != 0) return use(Handle{info->fh});
  const auto held = TRY(files->dir(Ino{ino}));
  return use(held->handle());
}

}  // namespace acetate::fs
