#include "base/log.h"

#include <pthread.h>
#include <unistd.h>

#include <atomic>
#include <string>

#include "base/mutex.h"

namespace acetate::log {

namespace {

std::atomic<Level> lowest{Level::warn};

struct State {
  Mutex mutex;
  Sink sink GUARDED_BY(mutex);
  std::string program GUARDED_BY(mutex) = "acetate";
};

State& state() {
  static State instance;
  // A child of fork(2) may log too, and whoever held the lock then is not in it.
  [[maybe_unused]] static const int prepared = ::pthread_atfork([] { instance.mutex.native().lock(); }, [] { instance.mutex.native().unlock(); }, [] { instance.mutex.native().unlock(); });
  return instance;
}

}  // namespace

void set_level(Level level) noexcept { lowest.store(level, std::memory_order_relaxed); }
bool enabled(Level level) noexcept { return level >= lowest.load(std::memory_order_relaxed); }

void set_sink(Sink sink) {
  State& log = state();
  Lock lock(log.mutex);
  log.sink = std::move(sink);
}

void set_program(std::string_view name) {
  State& log = state();
  Lock lock(log.mutex);
  log.program = name;
}

void write(Level level, std::string_view message) {
  State& log = state();
  Lock lock(log.mutex);
  if (log.sink) return log.sink(level, message);
  const std::string line = fmt::format("{}: {}\n", log.program, message);
  // A full or closed stderr leaves nobody to tell.
  [[maybe_unused]] const auto written = ::write(STDERR_FILENO, line.data(), line.size());
}

}  // namespace acetate::log
