#include "builder/sandbox/signals.h"

#include "base/sys/call.h"

namespace acetate::sandbox {

HeldSignals::HeldSignals() {
  sigemptyset(&held_);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGWINCH, SIGCHLD})
    sigaddset(&held_, signal);
  // Somebody who ignores SIGCHLD has children that cannot be waited for, and exec hands that down to us.
  struct sigaction ordinary = {};
  ordinary.sa_handler = SIG_DFL;
  ::sigaction(SIGCHLD, &ordinary, &child_before_);
  ::sigprocmask(SIG_BLOCK, &held_, &before_);
}

void HeldSignals::restore() noexcept {
  if (!active_) return;
  active_ = false;
  ::sigaction(SIGCHLD, &child_before_, nullptr);
  ::sigprocmask(SIG_SETMASK, &before_, nullptr);
}

Result<siginfo_t> HeldSignals::next() const {
  siginfo_t info = {};
  TRY(sys::done(sys::Call::wait, [&] { return ::sigwaitinfo(&held_, &info); }));
  return info;
}

bool is_for_child(const siginfo_t& info) noexcept {
  return info.si_signo != SIGCHLD && info.si_signo != SIGWINCH && info.si_code != SI_KERNEL;
}

Result<sys::Exit> wait_forwarding(const HeldSignals& signals, sys::Child& child) {
  for (;;) {
    if (auto ended = TRY(child.poll())) return *ended;
    const siginfo_t info = TRY(signals.next());
    if (!is_for_child(info)) continue;
    // ESRCH: it has just ended, which poll() will say.
    if (auto sent = child.kill(info.si_signo); !sent && !sent.error().is(ESRCH)) return std::move(sent).error();
  }
}

}  // namespace acetate::sandbox
