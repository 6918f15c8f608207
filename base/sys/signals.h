// Signals that are waited for and not handled.
#pragma once

#include <signal.h>

#include <chrono>
#include <initializer_list>
#include <optional>

#include "base/fd.h"
#include "base/result.h"

namespace acetate::sys {

class AwaitedSignals {
 public:
  // Blocks them in the calling thread and in those it makes from then on: so before any is made.
  static Result<AwaitedSignals> block(std::initializer_list<int> signals);
  // The next one; nothing after so long without.
  Result<std::optional<int>> wait(std::chrono::milliseconds longest) const;
  // One that has come already, or nothing. `fd` is readable when there is one: for who waits for other things too.
  Result<std::optional<int>> take() const;
  FdRef fd() const noexcept { return fd_.ref(); }

 private:
  explicit AwaitedSignals(Fd fd) : fd_(std::move(fd)) {}
  Fd fd_;
};

// No signal reaches the threads that are made while it lives, unless it is of their own making (a fault): they leave them to the thread
// that has it. Not for who makes processes meanwhile.
class SignalsHeldBack {
 public:
  SignalsHeldBack() noexcept;
  ~SignalsHeldBack();
  SignalsHeldBack(const SignalsHeldBack&) = delete;
  SignalsHeldBack& operator=(const SignalsHeldBack&) = delete;

 private:
  sigset_t before_;
};

}  // namespace acetate::sys
