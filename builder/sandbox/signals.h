// Waiting for a child while handing on the signals that were meant for it.
#pragma once

#include <sys/signalfd.h>

#include <chrono>
#include <csignal>
#include <optional>

#include "base/fd.h"
#include "base/result.h"
#include "base/sys/process.h"
#include "builder/sandbox/attended.h"
#include "builder/sandbox/group_witness.h"

namespace acetate::sandbox {

// How a process of ours hands a signal on to the next one of ours, down to who knows the command. A signal is often sent to all of a process group, or to all that
// are called as we are, and each of us gets it then: what came by itself to one below is not handed on by it, or the command would hear it several times.
// A real-time signal with the other's number in it, since an ordinary one is lost where the same is pending; and that itself where no more can be queued.
Result<void> hand_down(pid_t pid, int signal);
// The signal that was handed down with it, if one was.
std::optional<int> handed_down(const signalfd_siginfo& info) noexcept;
// Takes one of these that was handed down and is held, if there is one; what else was stays.
bool take_handed_down(const sigset_t& wanted) noexcept;
// From now on one that is handed down, and not held, is as if it had been sent.
void take_what_is_handed_down();

// Blocks what is forwarded, and SIGCHLD, until the object goes; a SIGHUP that our caller ignores goes nowhere. Made before the child is started, so that no
// signal falls between; a child starts with them blocked too and calls restore() (sys::spawn unblocks all).
class HeldSignals {
 public:
  enum class Which { all, of_children };  // SIGCHLD alone, where what is sent to us is for nobody else
  explicit HeldSignals(Which which = Which::all);
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

// Whether there is somebody of ours above, who hands down what is for the command.
enum class Above { nobody, ours };

// How long a child may run: then it gets the signal, and the last one `grace` seconds after it.
struct TimeLimit {
  int seconds;
  int signal;
  int last = SIGKILL;
  int grace = 10;
};

// What waiting consists of, for whoever waits for more than a child.
class Forwarder {
 public:
  // A child that is in our process group and hands on what reaches it; it must outlive this.
  void let_witness(const GroupWitness& group) noexcept { group_witness_ = &group; }
  // Both must outlive it.
  static Result<Forwarder> make(const HeldSignals& signals, Attended& child, std::optional<TimeLimit> limit, Group group, Above above);
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
  Forwarder(Attended& child, Fd held, Fd ended, std::optional<TimeLimit> limit, Group group, Above above);
  std::optional<int> for_child(const signalfd_siginfo& info) const noexcept;
  Result<void> send(int signal);
  Attended& child_;
  Fd held_, ended_;
  std::optional<TimeLimit> limit_;
  Group group_;
  Above above_;
  const GroupWitness* group_witness_ = nullptr;
  Clock::time_point due_ = {};
  bool asked_ = false, killed_ = false;
};

// Waits for the child, of ours too, to end, handing down meanwhile whatever comes. Sleeps on descriptors alone, so it may be used in a program with threads.
Result<sys::Exit> wait_forwarding(const HeldSignals& signals, Attended& child);
// For the command, or its runtime, and what is handed down to us. Watches a terminal too, which the child relays, or a pipe: once its other end is gone the child
// gets `first`, and `last` ten seconds later.
struct Watched {
  FdRef end;
  int last = SIGKILL;
  int first = SIGHUP;
  const GroupWitness* group = nullptr;  // of a child that hands on what reaches it in our process group
};
Result<sys::Exit> wait_watching(const HeldSignals& signals, Attended& child, std::optional<TimeLimit> limit, Watched watched, Group group = Group::ours);

}  // namespace acetate::sandbox
