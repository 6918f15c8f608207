// The gate every raw system call of the project passes: so that tests count them and make them fail.
//
// With no hook installed a call costs one relaxed load more than the bare call.
#pragma once

#include <atomic>
#include <cerrno>
#include <concepts>
#include <cstdint>
#include <string_view>

#include "base/result.h"

namespace acetate::sys {

// One name for each system call that is wrapped; the order is not part of any format.
#define ACETATE_SYS_CALLS(X)                                                                                 \
  X(openat) X(openat2) X(statx) X(fstatfs) X(readlinkat) X(getdents) X(mkdirat) X(mknodat) X(symlinkat)      \
  X(linkat) X(unlinkat) X(renameat2) X(fchownat) X(fchmodat) X(utimensat) X(ftruncate) X(fallocate)          \
  X(lseek) X(pread) X(preadv2) X(pwrite) X(read) X(write) X(copy_file_range) X(ficlone) X(fsync) X(fdatasync)           \
  X(syncfs) X(getxattr) X(setxattr) X(listxattr) X(removexattr) X(mmap) X(ioctl) X(flock) X(memfd_create)    \
  X(fcntl) X(mount) X(umount) X(pivot_root) X(chdir) X(unshare) X(setns) X(clone) X(execve) X(wait)          \
  X(prctl) X(socketpair) X(sendmsg) X(recvmsg) X(dup) X(pipe) X(kill) X(faccessat) X(fchdir) X(setid)          \
  X(pidfd_open) X(signalfd) X(poll) X(socket)

enum class Call : std::uint8_t {
#define ACETATE_SYS_ENUM(name) name,
  ACETATE_SYS_CALLS(ACETATE_SYS_ENUM)
#undef ACETATE_SYS_ENUM
      count_
};

std::string_view name_of(Call call) noexcept;

// Sees each call before it is made. Called from any thread; must be thread-safe and must not call sys.
class Hook {
 public:
  virtual ~Hook() = default;
  // 0 lets the call through; an errno makes it fail with that, without being made.
  virtual int before(Call call) noexcept = 0;
};

// Installs a hook for the whole process (null takes it away) and returns the one before. The caller keeps
// ownership and keeps it alive until no thread can be inside a call.
Hook* install(Hook* hook) noexcept;

// Installs what ACETATE_FAULT says, if it is set: a comma-separated list of
//   CALL=ERRNO     every such call fails:                  openat2=ENOSYS
//   CALL#N=ERRNO   the N-th such call (from 1) fails once: renameat2#3=ENOSPC
//   CALL#N=kill    the process kills itself before it:     linkat#1=kill
// For test suites "under worse conditions"; our programs call it first thing in main(). EINVAL with words.
Result<void> install_faults_from_environment();

namespace detail {
extern std::atomic<Hook*> hook;
}

inline int gate(Call call) noexcept {
  Hook* hook = detail::hook.load(std::memory_order_acquire);
  return hook == nullptr ? 0 : hook->before(call);
}

// Makes the call: through the gate, again on EINTR, -1 turned into its errno.
template <class F>
auto checked(Call call, F&& function) -> Result<decltype(function())> {
  for (;;) {
    if (const int code = gate(call); code != 0) return Error(code);
    const auto value = function();
    if (value != static_cast<decltype(value)>(-1)) return value;
    if (errno != EINTR) return Error(errno);
  }
}

// The same where only success matters.
template <class F>
Result<void> done(Call call, F&& function) {
  TRY(checked(call, std::forward<F>(function)));
  return {};
}

}  // namespace acetate::sys
