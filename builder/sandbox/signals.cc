#include "builder/sandbox/signals.h"

#include <poll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <span>

#include "base/sys/call.h"
#include "base/sys/file.h"

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

Result<Fd> HeldSignals::descriptor() const {
  return Fd(Adopt{}, TRY(sys::checked(sys::Call::signalfd,
                                      [&] { return ::signalfd(-1, &held_, SFD_CLOEXEC | SFD_NONBLOCK); })));
}

bool is_for_child(int signal, int code, Group group) noexcept {
  if (signal == SIGCHLD) return false;
  if (code != SI_KERNEL) return true;
  // That the terminal has gone is told to the leader of its session alone.
  if (signal == SIGHUP && ::getsid(0) == ::getpid()) return true;
  // The size of a terminal is seen by those who have that terminal.
  return group == Group::its_own && signal != SIGWINCH;
}

Forwarder::Forwarder(Attended& child, Fd held, Fd ended, std::optional<TimeLimit> limit, Group group)
    : child_(child), held_(std::move(held)), ended_(std::move(ended)), limit_(limit), group_(group) {
  if (limit_) due_ = Clock::now() + std::chrono::seconds(limit_->seconds);
}

Result<Forwarder> Forwarder::make(const HeldSignals& signals, Attended& child, std::optional<TimeLimit> limit, Group group) {
  auto ended = child.pidfd();
  if (!ended && !ended.error().is(ENOSYS)) return std::move(ended).error();
  return Forwarder(child, TRY(signals.descriptor()), ended ? *std::move(ended) : Fd(), limit, group);
}

Result<void> Forwarder::send(int signal) {
  auto sent = child_.kill(signal);
  // ESRCH: it has just ended, as the next look will show.
  if (!sent && sent.error().is(ESRCH)) return {};
  return sent;
}

Result<int> Forwarder::timeout() {
  // Before Linux 5.3 we look again after SIGCHLD, and from time to time for the case that another thread was told of it.
  const int longest = ended_ ? -1 : 50;
  if (!limit_ || killed_) return longest;
  if (Clock::now() >= due_) {
    const int signal = asked_ || limit_->signal == SIGKILL ? limit_->last : limit_->signal;
    killed_ = std::exchange(asked_, true) || signal == limit_->last;
    due_ = Clock::now() + std::chrono::seconds(10);
    TRY(send(signal));
    if (killed_) return longest;
  }
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(due_ - Clock::now()).count();
  const int wait = static_cast<int>(std::clamp<std::int64_t>(left, 0, 1 << 30));
  return longest < 0 ? wait : std::min(wait, longest);
}

Result<Forwarder::Heard> Forwarder::hand_on() {
  Heard heard;
  for (;;) {
    signalfd_siginfo info{};
    auto got = sys::read(held_.ref(), std::as_writable_bytes(std::span(&info, 1)));
    if (!got && got.error().is(EAGAIN)) return heard;
    if (TRY(std::move(got)) != sizeof info) return heard;
    const int signal = static_cast<int>(info.ssi_signo);
    heard.resized = heard.resized || signal == SIGWINCH;
    if (!is_for_child(signal, info.ssi_code, group_)) continue;
    heard.handed_on = true;
    TRY(send(signal));
  }
}

void Forwarder::hang_up(int last, int first) {
  limit_ = TimeLimit{.seconds = 0, .signal = first, .last = last};
  due_ = Clock::now();
  asked_ = killed_ = false;
}

namespace {

Result<sys::Exit> wait_for(Forwarder forwarder, Attended& child, Watched watched) {
  for (;;) {
    if (auto exit = TRY(child.poll())) return *exit;
    const int timeout = TRY(forwarder.timeout());
    pollfd polled[] = {{forwarder.signals().fd, POLLIN, 0}, {forwarder.ended().fd, POLLIN, 0}, {watched.end.fd, 0, 0}};
    TRY(sys::done(sys::Call::poll, [&] { return ::poll(polled, std::size(polled), timeout); }));
    if (polled[0].revents != 0) TRY(forwarder.hand_on());
    if (polled[2].revents != 0) {
      watched.end = {};
      forwarder.hang_up(watched.last, watched.first);
    }
  }
}

}  // namespace

Result<sys::Exit> wait_forwarding(const HeldSignals& signals, Attended& child, std::optional<TimeLimit> limit, Group group) {
  return wait_for(TRY(Forwarder::make(signals, child, limit, group)), child, {});
}

Result<sys::Exit> wait_watching(const HeldSignals& signals, Attended& child, std::optional<TimeLimit> limit, Watched watched, Group group) {
  return wait_for(TRY(Forwarder::make(signals, child, limit, group)), child, watched);
}

}  // namespace acetate::sandbox
