// The words the overlay speaks: inode numbers, handles, who asks, what changes.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "layers/layer.h"

namespace acetate::fs {

// Names an inode of one mount. Never reused while the daemon lives, so a stale number is ESTALE and never
// somebody else's file. Not st_ino: that is Attr::ino.
enum class Ino : std::uint64_t { root = 1 };

// Names an open file of one mount.
enum class Handle : std::uint64_t {};

// Who asks, and on whose behalf things are made.
struct Caller {
  uid_t uid = 0;
  gid_t gid = 0;
  pid_t pid = 0;
  mode_t umask = 0;  // to be applied by us: the session asks for FUSE_DONT_MASK, so that default ACLs can win
};

// What lookup-like calls give back. The caller (the kernel) holds one reference more afterwards.
struct Found {
  Ino ino;
  Attr attr;
};

// setattr: only what is set changes. `now` instead of a time: the moment of the change.
struct TimeChange {
  bool now = false;
  timespec at{};
};
struct AttrChange {
  std::optional<mode_t> mode;  // permission bits, without S_IFMT
  std::optional<uid_t> uid;
  std::optional<gid_t> gid;
  std::optional<std::uint64_t> size;
  bool resized = false;  // by ftruncate(2) or O_TRUNC: the times change even if the size does not
  std::optional<TimeChange> atime;
  std::optional<TimeChange> mtime;
  bool kill_suidgid = false;  // FATTR_KILL_SUIDGID: drop suid, and sgid of group-executables, with the change
};

struct Opened {
  Handle handle;
  bool keep_cache = true;  // the kernel's cached pages of this inode are still true
};

struct Created {
  Found found;
  Opened opened;
};

// One name of a directory being read. `cookie` is where to go on after it.
struct ListedEntry {
  std::string_view name;  // valid during the callback only; NUL-terminated
  unsigned char type;     // DT_*
  std::uint64_t ino;      // the st_ino that a stat would show
  std::uint64_t cookie;
};

// Told when answers that were given before have become untrue by an act nobody would expect to change them, so that
// who remembers answers for ever (the kernel) can forget these. Called by the thread that did it, before its call
// returns and with no mutex of the overlay held; must not call the overlay.
class Rememberer {
 public:
  virtual ~Rememberer() = default;
  virtual void forget_attributes(Ino inode) noexcept = 0;
  virtual void forget_listing(Ino dir) noexcept = 0;
};

struct SpaceInfo {  // statvfs(3), of the upper's file system or of the first lower's
  std::uint64_t block_size, blocks, blocks_free, blocks_available, files, files_free, name_max;
};

}  // namespace acetate::fs
