// Signals that are waited for and not handled.
#pragma once

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

 private:
  explicit AwaitedSignals(Fd fd) : fd_(std::move(fd)) {}
  Fd fd_;
};

}  // namespace acetate::sys
