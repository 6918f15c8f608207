// Between the person's terminal and the container's: bytes in both directions, and the size.
#pragma once

#include <optional>

#include "base/fd.h"
#include "base/result.h"
#include "base/sys/process.h"
#include "builder/sandbox/signals.h"
#include "builder/sandbox/spec.h"
#include "builder/sandbox/terminal_mode.h"

namespace acetate::sandbox {

// Puts the person's terminal into raw mode; finish() gives it back.
class TerminalRelay {
 public:
  // `master`: of the container's terminal.
  TerminalRelay(Fd master, Stdio stdio, TerminalMode& mode);

  // Relays until the child has ended and everything it wrote has been shown.
  Result<sys::Exit> wait(const HeldSignals& signals, sys::Child& child, std::optional<TimeLimit> limit);
  void finish();

 private:
  void copy_size() const;
  // From one to the other, what is there; false at the end of it.
  static bool pass(FdRef from, FdRef to);
  FdRef input() const { return stdio_.in ? stdio_.in : FdRef{0}; }
  FdRef output() const { return stdio_.out ? stdio_.out : FdRef{1}; }
  Fd master_;
  Stdio stdio_;
  TerminalMode& mode_;
};

}  // namespace acetate::sandbox
