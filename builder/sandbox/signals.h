// Waiting for a child while handing on the signals that were meant for it.
#pragma once

#include <chrono>
#include <csignal>
#include <optional>

#include "base/fd.h"
#include "base/result.h"
#include "base/sys/process.h"
#include "builder/sandbox/attended.h"

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

  // A descriptor that reads them as signalfd_siginfo; non-blocking.
  Result<Fd> descriptor() const;

 private:
  sigset_t held_, before_;
  struct sigaction child_before_;
  bool active_ = true;
};

// Whose process group a child is in, and so whether what the terminal sends (^C) reaches it without us.
enum class Group { ours, its_own };

// Whether a signal is to be handed on to the child.
bool is_for_child(int signal, int code, Group group = Group::ours) noexcept;

// How long a child may run: then it gets the signal, and the last one ten seconds after it.
struct TimeLimit {
  int seconds;
  int signal;
  int last = SIGKILL;
};

// What waiting consists of, for whoever waits for more than a child.
class Forwarder {
 public:
  // Both must outlive it.
  static Result<Forwarder> make(const HeldSignals& signals, Attended& child, std::optional<TimeLimit> limit, Group group);
  FdRef signals() const noexcept { return held_.ref(); }
  FdRef ended() const noexcept { return ended_.ref(); }  // readable once the child has ended; none before Linux 5.3
  // What poll(2) may wait for, once what is due of the limit has been sent.
  Result<int> timeout();
  // When signals() is readable.
  struct Heard {
    bool resized = false;    // the terminal has another size
    bool handed_on = false;  // something was for the child
  };
  Result<Heard> hand_on();
  // The terminal is gone: SIGHUP now, or `first`, and what a limit sends last as long after it.
  void hang_up(int last, int first = SIGHUP);

 private:
  using Clock = std::chrono::steady_clock;
  Forwarder(Attended& child, Fd held, Fd ended, std::optional<TimeLimit> limit, Group group);
  Result<void> send(int signal);
  Attended& child_;
  Fd held_, ended_;
  std::optional<TimeLimit> limit_;
  Group group_;
  Clock::time_point due_ = {};
  bool asked_ = false, killed_ = false;
};

// Waits for the child to end, forwarding meanwhile. Sleeps on descriptors alone, so it may be used in a program
// with threads.
Result<sys::Exit> wait_forwarding(const HeldSignals& signals, Attended& child, std::optional<TimeLimit> limit = {}, Group group = Group::ours);
// Watches a terminal too, which the child relays, or a pipe: once its other end is gone the child gets `first`, and `last` ten seconds later.
struct Watched {
  FdRef end;
  int last = SIGKILL;
  int first = SIGHUP;
};
Result<sys::Exit> wait_watching(const HeldSignals& signals, Attended& child, std::optional<TimeLimit> limit, Watched watched, Group group = Group::ours);

}  // namespace acetate::sandbox
