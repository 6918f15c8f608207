#include "fs/fuse/passthrough.h"

#include <fcntl.h>
#include <sys/ioctl.h>

#include "base/log.h"
#include "base/sys/call.h"
#include "fs/fuse/privileges.h"

namespace acetate::fs {

namespace {

// linux/fuse.h since protocol 7.40, which is newer than what Debian 12 has.
struct BackingMap {
  std::int32_t fd;
  std::uint32_t flags;
  std::uint64_t padding;
};
constexpr unsigned long kBackingOpen = _IOW(229, 1, BackingMap);
constexpr unsigned long kBackingClose = _IOW(229, 2, std::uint32_t);

bool writes(int flags) { return (flags & O_ACCMODE) != O_RDONLY; }
bool may_map_to_write(int flags) { return (flags & O_ACCMODE) == O_RDWR; }

// Not of this file, but of us, the kernel or the upper's file system (one on another overlay is too deep: ELOOP).
bool refuses_all(const Error& error) {
  return error.is(EPERM) || error.is(EOPNOTSUPP) || error.is(ENOTTY) || error.is(EINVAL) || error.is(ELOOP);
}

Result<std::int32_t> register_backing(int connection, FdRef file) {
  const WithoutFsetid written_by_nobody_special;
  if (!written_by_nobody_special) return Error(EPERM);
  const BackingMap map{.fd = file.fd, .flags = 0, .padding = 0};
  return sys::checked(sys::Call::ioctl, [&] { return ::ioctl(connection, kBackingOpen, &map); });
}

}  // namespace

bool Passthrough::may_be_used(const Overlay& overlay) {
  // What is in an attribute here, modes among it, no file system minds when it is written to.
  return !overlay.read_only() && !overlay.permissions_in_xattr() && have(CAP_SYS_ADMIN);
}

std::int32_t Passthrough::backing_of(Ino ino, Handle handle) noexcept {
  if (refused_.load(std::memory_order_relaxed) || overlay_.shows_suid(ino)) return 0;
  const auto file = overlay_.upper_file(handle);
  if (!file) return 0;
  const auto backing = register_backing(connection_, *file);
  if (!backing) {
    log::debug("a file is not passed through: {}", backing.error().message());
    if (refuses_all(backing.error())) refused_.store(true, std::memory_order_relaxed);
    return 0;
  }
  files_.fetch_add(1, std::memory_order_relaxed);
  return *backing;
}

std::int32_t Passthrough::opened(Ino ino, Handle handle, int flags) noexcept {
  if (connection_ < 0) return 0;
  std::int32_t backing = 0;
  {
    Shard& shard = shard_of(ino);
    Lock lock(shard.mutex);
    Use& use = shard.uses[static_cast<std::uint64_t>(ino)];
    if (use.handles++ == 0) use.backing = backing_of(ino, handle);
    backing = use.backing;
    if (backing == 0 || !writes(flags)) return backing;
    ++use.writers;
    writers_.fetch_add(1, std::memory_order_release);
  }
  // What the kernel was told before is good for ever otherwise.
  if (may_map_to_write(flags)) rememberer_.forget_attributes(ino);
  return backing;
}

void Passthrough::closed(Ino ino, int flags) noexcept {
  if (connection_ < 0) return;
  Shard& shard = shard_of(ino);
  Lock lock(shard.mutex);
  const auto found = shard.uses.find(static_cast<std::uint64_t>(ino));
  if (found == shard.uses.end()) return;
  Use& use = found->second;
  if (use.backing != 0 && writes(flags)) {
    --use.writers;
    writers_.fetch_sub(1, std::memory_order_release);
  }
  if (--use.handles != 0) return;
  if (use.backing != 0) {
    const auto number = static_cast<std::uint32_t>(use.backing);
    auto gone = sys::done(sys::Call::ioctl, [&] { return ::ioctl(connection_, kBackingClose, &number); });
    // It goes with the connection at the latest.
    if (!gone) log::debug("a backing file is not let go of: {}", gone.error().message());
  }
  shard.uses.erase(found);
}

bool Passthrough::changes_unseen(Ino ino) noexcept {
  if (writers_.load(std::memory_order_acquire) == 0) return false;
  Shard& shard = shard_of(ino);
  Lock lock(shard.mutex);
  const auto found = shard.uses.find(static_cast<std::uint64_t>(ino));
  return found != shard.uses.end() && found->second.writers != 0;
}

}  // namespace acetate::fs
