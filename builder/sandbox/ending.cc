#include "builder/sandbox/ending.h"

#include <signal.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <mutex>

#include "base/sys/process.h"

namespace acetate::sandbox {

namespace {

constexpr std::array kEnding = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};

std::atomic<int> taken = 0;        // what ended_by() says
std::atomic<std::int64_t> taken_at = 0;  // milliseconds; 0: never
std::atomic<const Ending*> of_running = nullptr;

// Who signals us and all of our group sends it twice: to us, and to whoever hands on to us what he is sent. That is one.
constexpr std::int64_t kTogether = 1000;

std::int64_t now() {
  timespec time{};
  ::clock_gettime(CLOCK_MONOTONIC, &time);
  return std::int64_t{time.tv_sec} * 1000 + time.tv_nsec / 1'000'000;
}

// All that it does a signal handler may do.
void take(int signal);

struct Handlers {
  std::mutex mutex;
  int running = 0;
  std::array<struct sigaction, kEnding.size()> before = {};

  void install() {
    for (std::size_t i = 0; i < kEnding.size(); ++i) {
      ::sigaction(kEnding[i], nullptr, &before[i]);
      if (before[i].sa_handler == SIG_IGN) continue;
      struct sigaction action = {};
      action.sa_handler = take;
      action.sa_flags = SA_RESTART;
      ::sigaction(kEnding[i], &action, nullptr);
    }
  }
  void remove() {
    for (std::size_t i = 0; i < kEnding.size(); ++i)
      if (before[i].sa_handler != SIG_IGN) ::sigaction(kEnding[i], &before[i], nullptr);
  }
};

Handlers& handlers() {
  static Handlers all;
  return all;
}

void take(int signal) {
  const int errno_before = errno;
  std::int64_t never = 0;
  const Ending* const running = of_running;
  if (running != nullptr && taken_at.compare_exchange_strong(never, now())) {
    taken = signal;
    running->end();
  } else if (now() - taken_at >= kTogether) {
    const auto which = static_cast<std::size_t>(std::ranges::find(kEnding, signal) - kEnding.begin());
    ::sigaction(signal, &handlers().before[which], nullptr);
    ::raise(signal);
  }
  errno = errno_before;
}

}  // namespace

Result<Ending> Ending::make() {
  sys::Pipe pipe = TRY(sys::make_pipe());
  return Ending(std::move(pipe.read), std::move(pipe.write));
}

void Ending::end() const noexcept {
  const int before = errno;
  if (const int alive = alive_.exchange(-1); alive >= 0) ::close(alive);
  errno = before;
}

Ending::Running::Running(const Ending& ending) {
  Handlers& all = handlers();
  const std::lock_guard lock(all.mutex);
  if (all.running++ > 0) return;
  of_running = &ending;
  all.install();
}

Ending::Running::~Running() {
  Handlers& all = handlers();
  const std::lock_guard lock(all.mutex);
  if (--all.running > 0) return;
  all.remove();
  of_running = nullptr;
}

int ended_by() noexcept { return taken; }

}  // namespace acetate::sandbox
