#include "fs/fuse/passthrough.h"

#include <fcntl.h>
#include <sys/ioctl.h>

#include <new>

#include "base/log.h"
#include "base/sys/call.h"

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

bool may_map_to_write(int flags) { return (flags & O_ACCMODE) == O_RDWR; }

// Not of this file, but of us, the kernel or the upper's file system (one on another overlay is too deep: ELOOP).
bool refuses_all(const Error& error) {
  return error.is(EPERM) || error.is(EOPNOTSUPP) || error.is(ENOTTY) || error.is(EINVAL) || error.is(ELOOP);
}

Result<std::int32_t> register_backing(int connection, FdRef file) {
  const BackingMap map{.fd = file.fd, .flags = 0, .padding = 0};
  return sys::checked(sys::Call::ioctl, [&] { return ::ioctl(connection, kBackingOpen, &map); });
}

}  // namespace

bool Passthrough::is_for_us(int flags) const noexcept {
  return (flags & O_DIRECT) != 0 || (!durable_ && (flags & (O_SYNC | O_DSYNC)) != 0);
}

std::int32_t Passthrough::backing_of(Handle handle) noexcept {
  if (refused_.load(std::memory_order_relaxed)) return 0;
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

Result<Passthrough::Way> Passthrough::opened(Ino ino, Handle handle, int flags, Known known) {
  if (connection_ < 0) return Way{};
  Way way;
  {
    Shard& shard = shard_of(ino);
    Lock lock(shard.mutex);
    Use* found = nullptr;
    try {
      found = &shard.uses[static_cast<std::uint64_t>(ino)];
    } catch (const std::bad_alloc&) {
      return Error(ENOMEM);
    }
    Use& use = *found;
    // Whoever still has it mapped would not see what went through the cache.
    if (use.handles++ == 0) use.backing = use.mapped || !is_for_us(flags) ? backing_of(handle) : 0;
    way.backing = use.backing;
    if (way.backing == 0) {
      way.stale_cache = overlay_.upper_file(handle).has_value();
      return way;
    }
    way.direct = is_for_us(flags);
    if (!may_map_to_write(flags) || use.mapped) return way;
    use.mapped = true;
    mapped_.fetch_add(1, std::memory_order_release);
  }
  // What it was told before is good for ever otherwise.
  if (known == Known::yes) rememberer_.forget_attributes(ino);
  return way;
}

void Passthrough::closed(Ino ino) noexcept {
  if (connection_ < 0) return;
  Shard& shard = shard_of(ino);
  Lock lock(shard.mutex);
  const auto found = shard.uses.find(static_cast<std::uint64_t>(ino));
  if (found == shard.uses.end()) return;
  Use& use = found->second;
  if (--use.handles != 0) return;
  if (use.backing != 0) {
    const auto number = static_cast<std::uint32_t>(use.backing);
    auto gone = sys::done(sys::Call::ioctl, [&] { return ::ioctl(connection_, kBackingClose, &number); });
    // It goes with the connection at the latest.
    if (!gone) log::debug("a backing file is not let go of: {}", gone.error().message());
  }
  use.backing = 0;
  if (!use.mapped) shard.uses.erase(found);
}

void Passthrough::forgotten(Ino ino) noexcept {
  if (mapped_.load(std::memory_order_acquire) == 0) return;
  Shard& shard = shard_of(ino);
  Lock lock(shard.mutex);
  const auto found = shard.uses.find(static_cast<std::uint64_t>(ino));
  if (found == shard.uses.end() || found->second.handles != 0) return;
  mapped_.fetch_sub(1, std::memory_order_release);  // what has no handles is here for being mapped
  shard.uses.erase(found);
}

bool Passthrough::changes_unseen(Ino ino) noexcept {
  if (mapped_.load(std::memory_order_acquire) == 0) return false;
  Shard& shard = shard_of(ino);
  Lock lock(shard.mutex);
  const auto found = shard.uses.find(static_cast<std::uint64_t>(ino));
  return found != shard.uses.end() && found->second.mapped;
}

}  // namespace acetate::fs
