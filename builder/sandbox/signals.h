// Waiting for a child while handing on the signals that were meant for it.
#pragma once

#include <csignal>

#include "base/fd.h"
#include "base/result.h"
#include "base/sys/process.h"

namespace acetate::sandbox {

// Blocks what is forwarded, and SIGCHLD, until the object goes. Made before the child is started, so that no
// signal falls between; a child starts with them blocked too and calls restore() (sys::spawn unblocks all).
class HeldSignals {
 public:
  HeldSignals();
  HeldSignals(const HeldSignals&) = delete;
  HeldSignals& operator=(const HeldSignals&) = delete;
  ~HeldSignals() { restore(); }
  void restore() noexcept;

  // The next signal, whichever comes.
  Result<siginfo_t> next() const;
  // A descriptor that reads them as signalfd_siginfo; non-blocking.
  Result<Fd> descriptor() const;

 private:
  sigset_t held_, before_;
  struct sigaction child_before_;
  bool active_ = true;
};

// Whether a signal is to be handed on to a child of the same process group: what the terminal sends (^C) the
// child has got already.
bool is_for_child(int signal, int code) noexcept;

// Waits for the child to end, forwarding meanwhile. Sleeps on descriptors alone, so it may be used in a program
// with threads.
Result<sys::Exit> wait_forwarding(const HeldSignals& signals, sys::Child& child);

}  // namespace acetate::sandbox
