#include "fs/fuse/statx.h"

#include <linux/fuse.h>
#include <pthread.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>

#include <chrono>
#include <exception>

#include "fs/fuse/reply.h"

namespace acetate::fs {

namespace {

// libfuse's loop lets its threads be cancelled while they read, and ours would be in the middle of an operation.
class Uncancelled {
 public:
  Uncancelled() noexcept { ::pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &before_); }
  ~Uncancelled() { ::pthread_setcancelstate(before_, nullptr); }
  Uncancelled(const Uncancelled&) = delete;
  Uncancelled& operator=(const Uncancelled&) = delete;

 private:
  int before_ = 0;
};

wire::SxTime time_of(timespec time) noexcept {
  return {.seconds = time.tv_sec, .nanoseconds = static_cast<std::uint32_t>(time.tv_nsec), .reserved = 0};
}

Result<Attr> attributes_of(Served& context, std::uint64_t node) noexcept {
  try {
    return context.overlay.getattr(Ino{node});
  } catch (const std::bad_alloc&) {
    return Error(ENOMEM);
  } catch (const std::exception& error) {
    log::error("an operation failed: {}", error.what());
    return Error(EIO);
  }
}

}  // namespace

wire::StatxOut statx_of(const Attr& attr, double timeout) noexcept {
  wire::StatxOut out{};
  out.attr_valid = static_cast<std::uint64_t>(timeout);
  out.attr_valid_nsec = static_cast<std::uint32_t>((timeout - static_cast<double>(out.attr_valid)) * 1e9);
  const struct stat st = to_stat(attr);
  wire::Statx& stat = out.stat;
  stat.mask = STATX_BASIC_STATS;
  stat.blksize = static_cast<std::uint32_t>(st.st_blksize);
  stat.nlink = attr.nlink;
  stat.uid = attr.uid;
  stat.gid = attr.gid;
  stat.mode = static_cast<std::uint16_t>(attr.mode);
  stat.ino = attr.ino;
  stat.size = attr.size;
  stat.blocks = attr.blocks;
  stat.atime = time_of(attr.atime);
  stat.ctime = time_of(attr.ctime);
  stat.mtime = time_of(attr.mtime);
  stat.rdev_major = gnu_dev_major(attr.rdev);
  stat.rdev_minor = gnu_dev_minor(attr.rdev);
  if (attr.btime.tv_sec != 0 || attr.btime.tv_nsec != 0) {
    stat.mask |= STATX_BTIME;
    stat.btime = time_of(attr.btime);
  }
  return out;
}

bool answer_statx(Served& context, int connection, const void* request, std::size_t size) noexcept {
  if (size < sizeof(fuse_in_header)) return false;
  const auto* asked = static_cast<const fuse_in_header*>(request);
  if (asked->opcode != wire::kStatx) return false;
  const Uncancelled uncancelled;
  const Gate::Pass pass(context.gate);
  const auto began = std::chrono::steady_clock::now();
  const auto attr = attributes_of(context, asked->nodeid);
  fuse_out_header head{.len = sizeof head, .error = attr ? 0 : -attr.error().code(), .unique = asked->unique};
  wire::StatxOut body{};
  iovec parts[] = {{&head, sizeof head}, {&body, sizeof body}};
  if (attr) {
    body = statx_of(*attr, attribute_timeout(context, Ino{asked->nodeid}));
    head.len += sizeof body;
  }
  // As with libfuse's own answers: who asked may be gone.
  (void)::writev(connection, parts, attr ? 2 : 1);
  context.metrics.record(Operation::getattr, std::chrono::steady_clock::now() - began);
  return true;
}

}  // namespace acetate::fs
