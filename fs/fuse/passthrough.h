// Passthrough: the kernel reads, writes and maps a file of the upper by itself, and asks us for nothing (FUSE_PASSTHROUGH, Linux 6.9;
// Documentation/filesystems/fuse/fuse-passthrough.rst). Only for a daemon that is root in the first user namespace.
//
// What fs/fuse/iomode.c wants of a daemon: an inode that anybody has open is opened by everybody in one way, through the page cache or
// passed through, and passed through to one backing file; whatever else is EIO. So a file is passed through when it is in the upper and
// nobody has it open through the cache. A file of the lower never is, not even read-only: its handles follow a copy-up, for which
// they must be ours (overlay.h, rule 1). What is copied up while it is open stays in the cache until all have closed it.
// The kernel tells us of a close after it has counted it, so that what is open here is never less than what is open there.
//
// What the kernel leaves undone there, and how it is made good:
//   - suid and sgid, which with KILLPRIV_V2 are ours to drop, who see no write: whoever may not leave them has the kernel ask for a SETATTR of
//     nothing before it writes, which is answered by dropping them (fs/fuse/suid.h, drop_suid()).
//   - the times that writing through a mapping sets, which outlives every handle: of a file that was open to be read and written
//     attributes are good for one answer, until the kernel forgets it (changes_unseen()).
//   - O_DIRECT without alignment, and O_SYNC where nothing is to be synced: such a handle's reads and writes still come to us.
//   - access times: the upper is on a mount that keeps none (fs/fuse/private_mount.h).
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <unordered_map>

#include "base/mutex.h"
#include "fs/fuse/fuse.h"
#include "fs/overlay.h"

namespace acetate::fs {

// Thread-safe. Its mutexes are held over the one call that registers a file or takes it back, which waits for nobody, and over questions to
// the overlay that take its leaves only.
class Passthrough {
 public:
  // `rememberer` must outlive the last call.
  Passthrough(Overlay& overlay, Rememberer& rememberer, bool durable)
      : overlay_(overlay), rememberer_(rememberer), durable_(durable) {}

  // Where permissions are in an attribute, no file system minds them when it is written to.
  static bool suits(const Overlay& overlay) { return !overlay.read_only() && !overlay.permissions_in_xattr(); }
  // INIT is being answered: both agreed to it, on this connection.
  void begin(int connection) noexcept { connection_ = connection; }

  // How the kernel is to open a file.
  struct Way {
    std::int32_t backing = 0;  // the number of its backing file; 0: through the page cache
    bool direct = false;       // passed through, but for what this handle reads and writes
    bool stale_cache = false;  // pages that are in the cache may not be the file's
  };
  enum class Known : bool { no, yes };  // whether the kernel may have attributes of the file
  // A handle that the kernel is about to be told of. ENOMEM.
  Result<Way> opened(Ino ino, Handle handle, int flags, Known known);
  // It is closed, or the kernel did not take it.
  void closed(Ino ino) noexcept;
  // The kernel knows the inode no more.
  void forgotten(Ino ino) noexcept;

  // Whether what stat(2) says of the file can change without our seeing it.
  bool changes_unseen(Ino ino) noexcept;
  std::uint64_t files() const noexcept { return files_.load(std::memory_order_relaxed); }  // passed through so far

 private:
  // How an inode is open, or was.
  struct Use {
    std::int32_t backing = 0;
    std::uint32_t handles = 0;
    bool mapped = false;  // perhaps, to be written to, by whoever had it open
  };
  struct Shard {
    Mutex mutex;
    std::unordered_map<std::uint64_t, Use> uses GUARDED_BY(mutex);
  };

  Shard& shard_of(Ino ino) { return shards_[static_cast<std::uint64_t>(ino) % shards_.size()]; }
  bool is_for_us(int flags) const noexcept;
  std::int32_t backing_of(Handle handle) noexcept;

  Overlay& overlay_;
  Rememberer& rememberer_;
  const bool durable_;
  int connection_ = -1;               // set before the first file is opened, or never
  std::atomic<bool> refused_{false};  // by the kernel, as it will refuse the next
  std::atomic<std::uint32_t> mapped_{0};  // inodes, perhaps
  std::atomic<std::uint64_t> files_{0};
  std::array<Shard, 16> shards_;
};

}  // namespace acetate::fs
