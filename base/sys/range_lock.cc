#include "base/sys/range_lock.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/sys/call.h"

namespace acetate::sys {

Result<void> lock_range(FdRef fd, int type, std::uint64_t offset, std::uint64_t length) {
  struct flock range{};
  range.l_type = static_cast<short>(type);
  range.l_whence = SEEK_SET;
  range.l_start = static_cast<off_t>(offset);
  range.l_len = static_cast<off_t>(length);
  return done(Call::fcntl, [&] { return ::fcntl(fd.fd, F_OFD_SETLK, &range); });
}

}  // namespace acetate::sys
