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

namespace {

// One that nobody else here uses; C libraries have the first few for themselves.
int carrier() { return SIGRTMAX - 3; }
// In the upper half of what it carries, so that nobody else's is taken for ours.
constexpr int kOurs = 0xace0000, kOursMask = 0xfff0000;

void be_sent(int, siginfo_t* info, void*) {
  if (info->si_code == SI_QUEUE && (info->si_value.sival_int & kOursMask) == kOurs) ::kill(::getpid(), info->si_value.sival_int & ~kOursMask);
}

}  // namespace

Result<void> hand_down(pid_t pid, int signal) {
  if (signal == SIGKILL || signal == SIGSTOP) return sys::done(sys::Call::kill, [&] { return ::kill(pid, signal); });
  sigval carried{};
  carried.sival_int = kOurs | signal;
  auto sent = sys::done(sys::Call::kill, [&] { return ::sigqueue(pid, carrier(), carried); });
  if (sent || !sent.error().is(EAGAIN)) return sent;
  return sys::done(sys::Call::kill, [&] { return ::kill(pid, signal); });
}

std::optional<int> handed_down(const signalfd_siginfo& info) noexcept {
  if (static_cast<int>(info.ssi_signo) != carrier() || info.ssi_code != SI_QUEUE || (info.ssi_int & kOursMask) != kOurs) return std::nullopt;
  return info.ssi_int & ~kOursMask;
}

bool take_handed_down(const sigset_t& wanted) noexcept {
  sigset_t carriers;
  sigemptyset(&carriers);
  sigaddset(&carriers, carrier());
  constexpr timespec kNow{};
  bool taken = false;
  sigset_t others;
  sigemptyset(&others);
  for (siginfo_t info; !taken && ::sigtimedwait(&carriers, &info, &kNow) > 0;) {
    const int signal = info.si_value.sival_int & ~kOursMask;
    if (info.si_code != SI_QUEUE || (info.si_value.sival_int & kOursMask) != kOurs) continue;
    taken = sigismember(&wanted, signal) == 1;
    if (!taken) sigaddset(&others, signal);
  }
  for (int signal = 1; signal < NSIG; ++signal)
    if (sigismember(&others, signal) == 1) static_cast<void>(hand_down(::getpid(), signal).has_value());
  return taken;
}

void take_what_is_handed_down() {
  struct sigaction action = {};
  action.sa_sigaction = be_sent;
  action.sa_flags = SA_SIGINFO | SA_RESTART;
  ::sigaction(carrier(), &action, nullptr);
}

HeldSignals::HeldSignals(Which which) {
  sigemptyset(&held_);
  sigaddset(&held_, SIGCHLD);
  if (which == Which::all)
    for (const int signal : {carrier(), SIGINT, SIGTERM, SIGQUIT, SIGUSR1, SIGUSR2, SIGWINCH}) sigaddset(&held_, signal);
  // What is ignored is heard all the same once it is blocked: who said nohup(1) wants the command to outlive his session.
  struct sigaction hangup = {};
  if (which == Which::all && (::sigaction(SIGHUP, nullptr, &hangup) != 0 || hangup.sa_handler != SIG_IGN)) sigaddset(&held_, SIGHUP);
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

Forwarder::Forwarder(Attended& child, Fd held, Fd ended, std::optional<TimeLimit> limit, Group group, Above above)
    : child_(child), held_(std::move(held)), ended_(std::move(ended)), limit_(limit), group_(group), above_(above) {
  if (limit_) due_ = Clock::now() + std::chrono::seconds(limit_->seconds);
}

Result<Forwarder> Forwarder::make(const HeldSignals& signals, Attended& child, std::optional<TimeLimit> limit, Group group, Above above) {
  auto ended = child.pidfd();
  if (!ended && !ended.error().is(ENOSYS)) return std::move(ended).error();
  return Forwarder(child, TRY(signals.descriptor()), ended ? *std::move(ended) : Fd(), limit, group, above);
}

std::optional<int> Forwarder::for_child(const signalfd_siginfo& info) const noexcept {
  if (const auto signal = handed_down(info)) return signal;
  const int signal = static_cast<int>(info.ssi_signo);
  if (signal == SIGCHLD || signal == carrier()) return std::nullopt;
  if (info.ssi_code != SI_KERNEL) return above_ == Above::nobody ? std::optional(signal) : std::nullopt;
  // That the terminal has gone is told to the leader of its session alone.
  if (signal == SIGHUP && ::getsid(0) == ::getpid()) return signal;
  // The size of a terminal is seen by those who have that terminal.
  return group_ == Group::its_own && signal != SIGWINCH ? std::optional(signal) : std::nullopt;
}

Result<void> Forwarder::send(int signal) {
  auto sent = above_ == Above::nobody ? hand_down(child_.pid(), signal) : child_.kill(signal);
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
    due_ = Clock::now() + std::chrono::seconds(limit_->grace);
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
    heard.resized = heard.resized || static_cast<int>(info.ssi_signo) == SIGWINCH;
    const auto signal = for_child(info);
    // What the terminal sends it has without us: the witness forgets that.
    if (group_witness_ != nullptr && (signal || info.ssi_code == SI_KERNEL) && group_witness_->took(signal.value_or(static_cast<int>(info.ssi_signo)))) continue;
    if (!signal) continue;
    heard.handed_on = true;
    TRY(send(*signal));
  }
}

void Forwarder::hang_up(int last, int first) {
  limit_ = TimeLimit{.seconds = 0, .signal = first, .last = last};
  due_ = Clock::now();
  asked_ = killed_ = false;
}

namespace {

Result<sys::Exit> wait_for(Forwarder forwarder, Attended& child, Watched watched) {
  if (watched.group != nullptr) forwarder.let_witness(*watched.group);
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

Result<sys::Exit> wait_forwarding(const HeldSignals& signals, Attended& child) {
  return wait_for(TRY(Forwarder::make(signals, child, {}, Group::ours, Above::nobody)), child, {});
}

Result<sys::Exit> wait_watching(const HeldSignals& signals, Attended& child, std::optional<TimeLimit> limit, Watched watched, Group group) {
  return wait_for(TRY(Forwarder::make(signals, child, limit, group, Above::ours)), child, watched);
}

}  // namespace acetate::sandbox
