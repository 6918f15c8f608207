#include "fs/fuse/signals.h"

#include <poll.h>
#include <pthread.h>
#include <sys/signalfd.h>

#include <array>
#include <csignal>
#include <thread>

#include "base/sys/call.h"
#include "base/sys/file.h"
#include "base/sys/process.h"

namespace acetate::fs {

namespace {

constexpr int kNudgeMilliseconds = 20;

sigset_t watched_signals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP, SIGUSR1}) sigaddset(&set, signal);
  return set;
}

void do_nothing(int) {}

}  // namespace

void block_signals() {
  const sigset_t set = watched_signals();
  ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
  ::signal(SIGPIPE, SIG_IGN);
  struct sigaction nudge {};  // without SA_RESTART: it is there to interrupt
  nudge.sa_handler = do_nothing;
  ::sigaction(SIGUSR2, &nudge, nullptr);
}

struct SignalWatch::Impl {
  SignalActions actions;
  FdRef lifeline;
  Fd signals;
  sys::Pipe quit;  // its write end closes when the watch ends
  pthread_t waiter = ::pthread_self();
  bool stopped = false;
  std::thread thread;

  void stop(int signal) {
    if (!stopped) actions.stop(signal);
    stopped = true;
  }

  void take_signal() {
    signalfd_siginfo info{};
    if (auto got = sys::read(signals.ref(), std::as_writable_bytes(std::span(&info, 1)));
        !got || *got != sizeof info)
      return;
    if (info.ssi_signo == SIGUSR1) {
      actions.report();
    } else {
      stop(static_cast<int>(info.ssi_signo));
    }
  }

  void watch() {
    std::array<pollfd, 3> on{pollfd{quit.read.ref().fd, POLLIN, 0}, pollfd{signals.ref().fd, POLLIN, 0},
                             pollfd{lifeline.fd, POLLIN, 0}};
    for (;;) {
      if (stopped) ::pthread_kill(waiter, SIGUSR2);
      if (::poll(on.data(), on.size(), stopped ? kNudgeMilliseconds : -1) < 0) continue;
      if (on[0].revents != 0) return;
      if (on[1].revents != 0) take_signal();
      if (on[2].revents != 0) {
        on[2].fd = -1;
        stop(SIGHUP);
      }
    }
  }
};

SignalWatch::SignalWatch(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {
  impl_->thread = std::thread([watched = impl_.get()] { watched->watch(); });
}

SignalWatch::~SignalWatch() {
  impl_->quit.write.reset();
  impl_->thread.join();
}

Result<std::unique_ptr<SignalWatch>> SignalWatch::start(SignalActions actions, FdRef lifeline) {
  auto impl = std::make_unique<Impl>();
  impl->actions = std::move(actions);
  impl->lifeline = lifeline;
  const sigset_t set = watched_signals();
  impl->signals = Fd(Adopt{}, TRY_WITHIN(sys::checked(sys::Call::signalfd,
                                                      [&] { return ::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK); }),
                                         "watching for signals"));
  impl->quit = TRY(sys::make_pipe());
  return std::unique_ptr<SignalWatch>(new SignalWatch(std::move(impl)));
}

}  // namespace acetate::fs
