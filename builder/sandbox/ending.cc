#include "builder/sandbox/ending.h"

#include <signal.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <mutex>

#include "base/sys/process.h"

namespace acetate::sandbox {

namespace {

constexpr std::array kEnding = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};

std::atomic<int> taken = 0;        // what ended_by() says
std::atomic<const Ending*> of_running = nullptr;

// All that it does a signal handler may do.
void take(int signal) {
  int none = 0;
  const Ending* const running = of_running;
  if (running != nullptr && taken.compare_exchange_strong(none, signal)) return running->end();
  ::signal(signal, SIG_DFL);
  ::raise(signal);
}

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
