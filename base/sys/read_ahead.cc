#include "base/sys/read_ahead.h"

#include <fcntl.h>

#include <cerrno>

namespace acetate::sys {

void read_ahead(FdRef file, std::uint64_t length) noexcept {
  const int before = errno;
  (void)::readahead(file.fd, 0, length);
  errno = before;
}

}  // namespace acetate::sys
