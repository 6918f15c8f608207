#include "base/sys/close_others.h"

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>

namespace acetate::sys {

namespace {

constexpr unsigned kOnExec = 1U << 2;  // CLOSE_RANGE_CLOEXEC

void close_between(unsigned first, unsigned last, unsigned flags) noexcept {
#ifdef SYS_close_range
  if (::syscall(SYS_close_range, first, last, flags) == 0) return;
#endif
  for (unsigned fd = first; fd <= std::min(last, 65536U); ++fd) {
    if (flags == kOnExec) ::fcntl(static_cast<int>(fd), F_SETFD, FD_CLOEXEC);
    else ::close(static_cast<int>(fd));
  }
}

void each_but(std::span<const int> kept, unsigned flags) noexcept {
  unsigned low = 3;
  for (const int each : kept) {
    const auto fd = static_cast<unsigned>(each);
    if (fd < low) continue;
    if (fd > low) close_between(low, fd - 1, flags);
    low = fd + 1;
  }
  close_between(low, ~0U, flags);
}

}  // namespace

void close_all_but(std::span<const int> kept) noexcept { each_but(kept, 0); }
void close_all_on_exec_but(std::span<const int> kept) noexcept { each_but(kept, kOnExec); }

}  // namespace acetate::sys
