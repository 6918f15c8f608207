// FirstPages: what a file begins with is put into the kernel's cache when somebody opens it to read it for the first time, before that
// OPEN is answered (FUSE_NOTIFY_STORE; fs/fuse/dev.c, fuse_notify_store()). He would ask for it at once, and a small file then is one round
// trip and not two; of a program, whose pages are asked for where it happens to go, it is fifty fewer.
//
// The first 128 KiB of a file, the first 8 MiB of a program or library, and only as far as the bytes are at hand (FileView::pread_at_hand): nothing is
// decoded, fetched or, as far as can be told, read from a disk for somebody who may not want it. Pages are charged to the daemon's memory cgroup, and not
// to the reader's.
//
// Why nobody ever sees old bytes by it, and why nobody waits for himself:
//   - A file is given once, to the first that opens it since the kernel knows it by its number, and only if he opens it to read. Until his
//     OPEN is answered nobody has a handle of it, so no page of it is under way: a READ locks pages until it is answered, and a store that waits
//     for them holds up a thread that could answer.
//   - Whoever opens it to write, or changes its size without opening it, says no_more() before he is answered, and everybody passes the same
//     mutex: what was given before is what the file had, and afterwards nothing is given.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>

#include "base/mutex.h"
#include "fs/fuse/fuse.h"
#include "fs/overlay.h"

namespace acetate::fs {

// Thread-safe. A mutex is held over the calls that give pages to the kernel, which wait for nobody, and, of a program, over reading what is at hand.
class FirstPages {
 public:
  explicit FirstPages(Overlay& overlay) : overlay_(overlay) {}

  // From now on; without it nothing is ever given. Of a session whose cached pages stay true.
  void begin(fuse_session* session, bool gives_ends) noexcept {
    session_ = session;
    gives_ends_ = gives_ends;
  }

  // Whether an OPEN that is about to be answered like this is of somebody who reads through the cache, which is kept.
  static bool suits(const fuse_file_info& answer) noexcept;
  // An OPEN that suits is about to be answered. What goes wrong is told to whoever reads.
  void give(Ino ino, Handle handle, int flags) noexcept;
  // The bytes of the file may change, or somebody has it open already: nothing of it is given any more.
  void no_more(Ino ino) noexcept;

  std::uint64_t bytes() const noexcept { return bytes_.load(std::memory_order_relaxed); }  // given so far

 private:
  Mutex& mutex_of(Ino ino) { return mutexes_[static_cast<std::uint64_t>(ino) % mutexes_.size()]; }
  std::span<std::byte> beginning(Handle handle);
  bool store(Ino ino, std::uint64_t offset, std::span<std::byte> bytes);
  void store_all(Ino ino, Handle handle, std::span<std::byte> begin, int flags);

  Overlay& overlay_;
  fuse_session* session_ = nullptr;
  bool gives_ends_ = false;           // a page that the file ends in may be given
  std::atomic<bool> refused_{false};  // by the kernel, as it will refuse the next
  std::atomic<std::uint64_t> bytes_{0};
  std::array<Mutex, 64> mutexes_;
};

}  // namespace acetate::fs
