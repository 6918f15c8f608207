#include "fs/fuse/background.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <csignal>

#include "base/sys/call.h"
#include "base/sys/file.h"

namespace acetate::fs {

namespace {

[[noreturn]] void wait_for(sys::Child child, FdRef word) {
  std::byte said{};
  const auto got = sys::read(word, std::span(&said, 1));
  if (got && *got == 1) {
    (void)child.release();
    ::_exit(0);
  }
  const auto exit = child.wait();
  ::_exit(exit && !exit->signal ? exit->code : 1);
}

}  // namespace

Result<Background> Background::enter() {
  sys::Pipe pipe = TRY(sys::make_pipe());
  const pid_t parent = ::getpid();
  const pid_t pid = TRY_WITHIN(sys::checked(sys::Call::clone, [] { return ::fork(); }), "going to the background");
  if (pid != 0) {
    pipe.write.reset();
    wait_for(sys::Child(pid), pipe.read.ref());
  }
  // Whoever kills the command before it returned wants no mount.
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (::getppid() != parent) ::_exit(1);
  return Background(std::move(pipe.write));
}

Result<void> Background::ready() {
  ::prctl(PR_SET_PDEATHSIG, 0);
  ::setsid();
  TRY_WITHIN(sys::done(sys::Call::chdir, [] { return ::chdir("/"); }), "leaving the working directory");
  const Fd null = TRY_WITHIN(sys::open("/dev/null", O_RDWR), "opening /dev/null");
  for (const int standard : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO})
    TRY(sys::done(sys::Call::dup, [&] { return ::dup2(null.ref().fd, standard); }));
  // A parent that is gone already has nothing more to be told.
  (void)sys::write_full(parent_.ref(), "!");
  parent_.reset();
  return {};
}

}  // namespace acetate::fs
