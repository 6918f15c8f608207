// GroupWitness: whether a signal was for all of our process group, and so has reached a runtime that is in it without us.
//
// A process beside the runtime that does nothing but let signals wait. It is called by a name of its own: who sends one to all that
// are called as we are (pkill acetate) means neither it nor the runtime.
#pragma once

#include "base/fd.h"
#include "base/result.h"
#include "base/sys/process.h"

namespace acetate::sandbox {

// Not thread-safe.
class GroupWitness {
 public:
  // Forks; safe in a program with threads.
  static Result<GroupWitness> start();
  // True once for each signal, or for several of one number that came together. False also where the witness is gone.
  bool took(int signal) const noexcept;

 private:
  GroupWitness(sys::Child child, Fd asked) : child_(std::move(child)), asked_(std::move(asked)) {}
  sys::Child child_;
  Fd asked_;
};

}  // namespace acetate::sandbox
