#include "base/sys/standard_descriptors.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

namespace acetate::sys {

Result<void> fill_standard_descriptors() noexcept {
  for (const int standard : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (::fcntl(standard, F_GETFD) != -1 || errno != EBADF) continue;
    // The lowest that is free is this one. It is for the programs that we start too, so an exec does not close it.
    int opened = ::open("/dev/null", O_RDWR);
    if (opened < 0) opened = ::open("/", O_PATH | O_DIRECTORY);
    if (opened < 0) return Error(errno);
  }
  return {};
}

}  // namespace acetate::sys
