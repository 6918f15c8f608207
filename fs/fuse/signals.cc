#include "fs/fuse/signals.h"

#include <poll.h>
#include <pthread.h>
#include <sys/resource.h>

#include <array>
#include <csignal>
#include <thread>

#include "base/sys/process.h"
#include "base/sys/signals.h"

namespace acetate::fs {

namespace {

constexpr int kNudgeMilliseconds = 20;

constexpr auto kWatched = {SIGTERM, SIGINT, SIGHUP, SIGUSR1};

void do_nothing(int) {}

}  // namespace

void block_signals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : kWatched) sigaddset(&set, signal);
  ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
  ::signal(SIGPIPE, SIG_IGN);
  // A limit to the size of files (ulimit -f) is that of whoever started us. The kernel holds callers to their own; a write of ours past ours is EFBIG, and no end of the mount.
  ::signal(SIGXFSZ, SIG_IGN);
  if (rlimit size{}; ::getrlimit(RLIMIT_FSIZE, &size) == 0 && size.rlim_cur != size.rlim_max) {
    size.rlim_cur = size.rlim_max;
    ::setrlimit(RLIMIT_FSIZE, &size);
  }
  struct sigaction nudge {};  // without SA_RESTART: it is there to interrupt
  nudge.sa_handler = do_nothing;
  ::sigaction(SIGUSR2, &nudge, nullptr);
}

struct SignalWatch::Impl {
  Impl(SignalActions what, FdRef line, sys::AwaitedSignals come, sys::Pipe end)
      : actions(std::move(what)), lifeline(line), signals(std::move(come)), quit(std::move(end)) {}

  SignalActions actions;
  FdRef lifeline;
  sys::AwaitedSignals signals;
  sys::Pipe quit;  // its write end closes when the watch ends
  pthread_t waiter = ::pthread_self();
  bool stopped = false;
  std::thread thread;

  void stop(int signal) {
    if (!stopped) actions.stop(signal);
    stopped = true;
  }

  void take_signal() {
    const auto signal = signals.take();
    if (!signal || !*signal) return;
    if (**signal == SIGUSR1) {
      actions.report();
    } else {
      stop(**signal);
    }
  }

  void watch() {
    std::array<pollfd, 3> on{pollfd{quit.read.ref().fd, POLLIN, 0}, pollfd{signals.fd().fd, POLLIN, 0},
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
  auto signals = TRY_WITHIN(sys::AwaitedSignals::block(kWatched), "watching for signals");
  sys::Pipe quit = TRY(sys::make_pipe());
  auto impl = std::make_unique<Impl>(std::move(actions), lifeline, std::move(signals), std::move(quit));
  return std::unique_ptr<SignalWatch>(new SignalWatch(std::move(impl)));
}

}  // namespace acetate::fs
