#include "builder/sandbox/holder_init.h"

#include <poll.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <iostream>
#include <span>

#include "base/log.h"
#include "base/sys/call.h"
#include "base/sys/file.h"
#include "base/sys/mount.h"
#include "builder/sandbox/offspring.h"

namespace acetate::sandbox {

namespace {

// Our own error, as `acetate run` says it; there is nobody to return an error to any more.
constexpr int kOurFault = 125;

[[noreturn]] void leave(int code) {
  std::cout.flush();
  std::cerr.flush();
  std::fflush(nullptr);
  ::_exit(code);
}

[[noreturn]] void give_up(const HolderPipes& pipes, HolderStage stage, int code) {
  const HolderFailure failure{stage, code};
  (void)sys::write_full(pipes.failed.ref(), std::as_bytes(std::span(&failure, 1)));
  leave(kOurFault);
}

// Whoever has the other end.
bool is_gone(FdRef pipe) {
  pollfd watched{pipe.fd, POLLIN, 0};
  return ::poll(&watched, 1, 0) > 0 && (watched.revents & POLLHUP) != 0;
}

void set_up(const HolderPipes& pipes, bool own_pids) {
  std::byte byte{};
  auto got = sys::read(pipes.go.ref(), std::span(&byte, 1));
  if (!got || *got == 0) leave(kOurFault);  // the parent failed, or died
  // Not before the maps stand: the kernel forgets it whenever credentials change. With the first process of a pid namespace all others go; without one
  // tend() sees it and ends them.
  if (own_pids) ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (is_gone(pipes.go.ref())) leave(kOurFault);
  if (auto made = sys::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr); !made)
    give_up(pipes, HolderStage::mounts, made.error().code());
  if (!own_pids) {
    if (auto adopted = adopt_orphans(); !adopted) give_up(pipes, HolderStage::body, adopted.error().code());
    return;
  }
  // /proc has to speak of the pids we see; the kernel refuses a new one where a container masked parts of it.
  if (auto made = sys::mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, nullptr); !made)
    give_up(pipes, HolderStage::proc, made.error().code());
}

int shell_code(int status) { return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status); }

// Waits for the body, reaping whatever is orphaned into our care. `parent`: a pipe whose other end is our parent's; nobody's where the kernel sees to it
// that we do not outlive him.
int tend(const HeldSignals& signals, FdRef parent, pid_t body) {
  const auto held = signals.descriptor();
  if (!held) leave(kOurFault);
  for (;;) {
    int status = 0;
    pid_t ended = 0;
    while ((ended = ::waitpid(-1, &status, WNOHANG)) > 0)
      if (ended == body) return shell_code(status);
    pollfd polled[] = {{held->ref().fd, POLLIN, 0}, {parent.fd, 0, 0}};
    if (::poll(polled, std::size(polled), -1) < 0) continue;
    if (polled[1].revents != 0) return kOurFault;
    signalfd_siginfo info{};
    while (auto got = sys::read(held->ref(), std::as_writable_bytes(std::span(&info, 1)))) {
      if (*got != sizeof info) break;
      // Gone: the next look shows it.
      if (const auto signal = handed_down(info)) static_cast<void>(hand_down(body, *signal).has_value());
    }
  }
}

}  // namespace

void be_holder(HolderPipes pipes, HeldSignals& signals, bool own_pids, const std::function<int()>& body) {
  set_up(pipes, own_pids);
  const pid_t first = ::getpid();
  auto forked = sys::checked(sys::Call::clone, [] { return ::fork(); });
  if (!forked) give_up(pipes, HolderStage::body, forked.error().code());
  const pid_t pid = *forked;
  pipes.failed.reset();
  if (pid == 0) {
    pipes.go.reset();
    if (!own_pids) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      if (::getppid() != first) leave(kOurFault);  // it died before we asked
    }
    take_what_is_handed_down();
    signals.restore();
    leave(body());
  }
  const int code = tend(signals, own_pids ? FdRef{} : pipes.go.ref(), pid);
  if (!own_pids)
    if (auto ended = end_offspring(); !ended) log::warn("ending what is left running: {}", ended.error().message());
  leave(code);
}

}  // namespace acetate::sandbox
