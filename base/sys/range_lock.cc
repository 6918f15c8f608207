#include "base/sys/range_lock.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/sys/call.h"

namespace acetate::sys {

namespace {

struct flock range_of(int type, std::uint64_t offset, std::uint64_t length) {
  struct flock range{};
  range.l_type = static_cast<short>(type);
  range.l_whence = SEEK_SET;
  range.l_start = static_cast<off_t>(offset);
  range.l_len = static_cast<off_t>(length);
  return range;
}

}  // namespace

Result<void> lock_range(FdRef fd, int type, std::uint64_t offset, std::uint64_t length) {
  struct flock range = range_of(type, offset, length);
  return done(Call::fcntl, [&] { return ::fcntl(fd.fd, F_OFD_SETLK, &range); });
}

Result<bool> is_range_locked(FdRef fd, int type, std::uint64_t offset, std::uint64_t length) {
  struct flock range = range_of(type, offset, length);
  TRY(done(Call::fcntl, [&] { return ::fcntl(fd.fd, F_OFD_GETLK, &range); }));
  return range.l_type != F_UNLCK;
}

}  // namespace acetate::sys
