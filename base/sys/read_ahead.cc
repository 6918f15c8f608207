#include "base/sys/read_ahead.h"

#include <fcntl.h>

#include <cerrno>

namespace acetate::sys {

void read_ahead(FdRef file, std::uint64_t length) noexcept {
  constexpr std::uint64_t kAtOnce = 128 << 10;
  const int before = errno;
  for (std::uint64_t at = 0; at < length && ::readahead(file.fd, static_cast<off_t>(at), kAtOnce) == 0; at += kAtOnce) {
  }
  errno = before;
}

}  // namespace acetate::sys
