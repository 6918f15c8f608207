// The daemon's signals, taken by a thread of its own: what they cause may lock, allocate and print.
#pragma once

#include <functional>
#include <memory>

#include "base/fd.h"
#include "base/result.h"

namespace acetate::fs {

struct SignalActions {
  // SIGTERM, SIGINT, SIGHUP, or the end of the lifeline (as SIGHUP). Called once.
  std::function<void(int signal)> stop;
  // SIGUSR1.
  std::function<void()> report;
};

// Makes the signals wait for a SignalWatch, in this thread and all it starts. To be called before any other thread
// is started: one with an open mask could still take a SIGTERM and die of it, and leave a dead mount.
void block_signals();

// Watches from its making to its end. After `stop` it keeps interrupting the thread that made it (SIGUSR2, a handler
// that does nothing) until it is destroyed: libfuse's loop notices that it is to end only when its sem_wait(3) is
// interrupted, and a single signal could come just before the wait.
class SignalWatch {
 public:
  // `lifeline`: a descriptor whose other end closes when whoever wanted the mount is gone; -1 for none.
  static Result<std::unique_ptr<SignalWatch>> start(SignalActions actions, FdRef lifeline);
  ~SignalWatch();
  SignalWatch(const SignalWatch&) = delete;
  SignalWatch& operator=(const SignalWatch&) = delete;

 private:
  struct Impl;
  explicit SignalWatch(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace acetate::fs
