// How many system calls something costs, counted at the gate they all go through (base/sys/call.h).
#pragma once

#include <atomic>

#include "base/sys/call.h"

namespace acetate::test {

// Counts system calls while it lives, of every thread.
class Counting final : public sys::Hook {
 public:
  Counting() : before_(sys::install(this)) {}
  ~Counting() override { sys::install(before_); }
  int before(sys::Call) noexcept override {
    ++count_;
    return 0;
  }
  int count() const { return count_; }

 private:
  std::atomic<int> count_{0};
  Hook* before_;
};

}  // namespace acetate::test
