#include "builder/sandbox/holder_init.h"

#include <poll.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <iostream>
#include <span>

#include "base/log.h"
#include "base/sys/call.h"
#include "base/sys/file.h"
#include "base/sys/mount.h"

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

bool parent_is_gone(FdRef go) {
  pollfd watched{go.fd, POLLIN, 0};
  return ::poll(&watched, 1, 0) > 0 && (watched.revents & POLLHUP) != 0;
}

void set_up(const HolderPipes& pipes, bool own_pids) {
  std::byte byte{};
  auto got = sys::read(pipes.go.ref(), std::span(&byte, 1));
  if (!got || *got == 0) leave(kOurFault);  // the parent failed, or died
  // Not before the maps stand: the kernel forgets it whenever credentials change.
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (parent_is_gone(pipes.go.ref())) leave(kOurFault);
  if (auto made = sys::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr); !made)
    give_up(pipes, HolderStage::mounts, made.error().code());
  if (!own_pids) {
    ::prctl(PR_SET_CHILD_SUBREAPER, 1);
    return;
  }
  // /proc has to speak of the pids we see; the kernel refuses a new one where a container masked parts of it.
  if (auto made = sys::mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, nullptr); !made)
    give_up(pipes, HolderStage::proc, made.error().code());
}

// Waits for the body, reaping whatever is orphaned into our care.
int tend(const HeldSignals& signals, pid_t body) {
  for (;;) {
    int status = 0;
    pid_t ended = 0;
    while ((ended = ::waitpid(-1, &status, WNOHANG)) > 0)
      if (ended == body) return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
    const auto info = signals.next();
    if (info && is_for_child(info->si_signo, info->si_code)) ::kill(body, info->si_signo);
  }
}

// Without a pid namespace nobody kills for us what the body left running.
void kill_orphans() {
  for (;;) {
    auto children = sys::read_file("/proc/thread-self/children", 1 << 20);
    if (!children || children->empty()) return;
    for (std::size_t at = 0; at < children->size();) {
      const std::size_t space = std::min(children->find(' ', at), children->size());
      const long pid = std::strtol(children->substr(at, space - at).c_str(), nullptr, 10);
      if (pid > 1) ::kill(static_cast<pid_t>(pid), SIGKILL);
      at = space + 1;
    }
    if (::waitpid(-1, nullptr, 0) < 0 && errno != EINTR) return;
  }
}

}  // namespace

void be_holder(HolderPipes pipes, HeldSignals& signals, bool own_pids, const std::function<int()>& body) {
  set_up(pipes, own_pids);
  auto forked = sys::checked(sys::Call::clone, [] { return ::fork(); });
  if (!forked) give_up(pipes, HolderStage::body, forked.error().code());
  const pid_t pid = *forked;
  pipes = {};
  if (pid == 0) {
    if (!own_pids) ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    signals.restore();
    leave(body());
  }
  const int code = tend(signals, pid);
  if (!own_pids) kill_orphans();
  leave(code);
}

}  // namespace acetate::sandbox
