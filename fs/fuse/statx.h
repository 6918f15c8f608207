// STATX: attributes with the time of birth. libfuse 3.17 does not know the request (Linux 6.6, linux/fuse.h 7.39), and would answer ENOSYS, after
// which the kernel asks for the time of birth no more. So it is answered where requests are read, before libfuse sees it.
#pragma once

#include <cstddef>
#include <cstdint>

#include "layers/layer.h"

namespace acetate::fs {

struct Served;

// As linux/fuse.h has them since 7.39; Debian 12's is older.
namespace wire {

inline constexpr std::uint32_t kStatx = 52;

struct SxTime {
  std::int64_t seconds;
  std::uint32_t nanoseconds;
  std::int32_t reserved;
};
struct Statx {
  std::uint32_t mask, blksize;
  std::uint64_t attributes;
  std::uint32_t nlink, uid, gid;
  std::uint16_t mode, spare0;
  std::uint64_t ino, size, blocks, attributes_mask;
  SxTime atime, btime, ctime, mtime;
  std::uint32_t rdev_major, rdev_minor, dev_major, dev_minor;
  std::uint64_t spare2[14];
};
struct StatxOut {
  std::uint64_t attr_valid;  // for so many seconds, and
  std::uint32_t attr_valid_nsec, flags;
  std::uint64_t spare[2];
  Statx stat;
};
static_assert(sizeof(StatxOut) == 288);

}  // namespace wire

// The rule. A time of birth that nobody knows is left out of the mask.
wire::StatxOut statx_of(const Attr& attr, double timeout) noexcept;

// Answers a STATX that was read from `connection`; false for every other request, which is then libfuse's. The calling thread is not
// cancelled meanwhile.
bool answer_statx(Served& context, int connection, const void* request, std::size_t size) noexcept;

}  // namespace acetate::fs
