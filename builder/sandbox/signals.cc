#include "builder/sandbox/signals.h"

#include <poll.h>
#include <sys/signalfd.h>

#include <span>

#include "base/sys/call.h"
#include "base/sys/file.h"

namespace acetate::sandbox {

HeldSignals::HeldSignals() {
  sigemptyset(&held_);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGCHLD})
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

Result<Fd> HeldSignals::descriptor() const {
  return Fd(Adopt{}, TRY(sys::checked(sys::Call::signalfd,
                                      [&] { return ::signalfd(-1, &held_, SFD_CLOEXEC | SFD_NONBLOCK); })));
}

bool is_for_child(int signal, int code) noexcept {
  return signal != SIGCHLD && code != SI_KERNEL;
}

namespace {

Result<void> hand_on(FdRef signals, sys::Child& child) {
  for (;;) {
    signalfd_siginfo info{};
    auto got = sys::read(signals, std::as_writable_bytes(std::span(&info, 1)));
    if (!got && got.error().is(EAGAIN)) return {};
    if (TRY(std::move(got)) != sizeof info) return {};
    const int signal = static_cast<int>(info.ssi_signo);
    if (!is_for_child(signal, info.ssi_code)) continue;
    // ESRCH: it has just ended, as the next look will show.
    if (auto sent = child.kill(signal); !sent && !sent.error().is(ESRCH)) return sent;
  }
}

}  // namespace

Result<sys::Exit> wait_forwarding(const HeldSignals& signals, sys::Child& child) {
  // Before Linux 5.3 there is no such descriptor: then we look again after SIGCHLD, and from time to time for
  // the case that another thread was told of it.
  auto ended = child.pidfd();
  if (!ended && !ended.error().is(ENOSYS)) return std::move(ended).error();
  const int timeout = ended ? -1 : 50;
  const Fd held = TRY(signals.descriptor());
  for (;;) {
    if (auto exit = TRY(child.poll())) return *exit;
    pollfd polled[] = {{held.ref().fd, POLLIN, 0}, {ended ? ended->ref().fd : -1, POLLIN, 0}};
    TRY(sys::done(sys::Call::poll, [&] { return ::poll(polled, std::size(polled), timeout); }));
    if (polled[0].revents != 0) TRY(hand_on(held.ref(), child));
  }
}

}  // namespace acetate::sandbox
