// Between the person's terminal and the container's: bytes in both directions, and the size.
#pragma once

#include <array>
#include <csignal>
#include <optional>

#include "base/fd.h"
#include "base/result.h"
#include "base/sys/process.h"
#include "builder/sandbox/attended.h"
#include "builder/sandbox/signals.h"
#include "builder/sandbox/spec.h"
#include "builder/sandbox/terminal_mode.h"

namespace acetate::sandbox {

// Puts the person's terminal into raw mode and ignores SIGPIPE; both are given back when it goes, or before by finish().
class TerminalRelay {
 public:
  // `master`: of the container's terminal.
  TerminalRelay(Fd master, Stdio stdio, TerminalMode& mode);
  TerminalRelay(const TerminalRelay&) = delete;
  TerminalRelay& operator=(const TerminalRelay&) = delete;
  ~TerminalRelay() { finish(); }

  // Relays until the child has ended and everything it wrote has been shown. Waits for neither side alone: who does not
  // read what was typed, or what was shown, keeps nobody from signals, the time limit and the other direction. When the person's
  // terminal is gone, or nobody reads our output any more, the container's terminal is hung up: its leader gets SIGHUP.
  Result<sys::Exit> wait(const HeldSignals& signals, Attended& child, std::optional<TimeLimit> limit);
  void finish();

 private:
  // One direction: what was read and is not taken yet. Until it is, nothing more is read.
  class Flow {
   public:
    bool empty() const { return begin_ == end_; }
    void drop() { begin_ = end_ = 0; }
    bool fill(FdRef from);  // false at the end of it
    bool drain(FdRef to);   // false when nobody will take it any more

   private:
    std::array<std::byte, 4096> bytes_;  // as much as a pipe that polls writable takes without letting us wait
    std::size_t begin_ = 0, end_ = 0;
  };

  void copy_size() const;
  void hang_up();
  FdRef input() const { return stdio_.in ? stdio_.in : FdRef{0}; }
  FdRef output() const { return unblocked_ ? unblocked_.ref() : stdio_.out ? stdio_.out : FdRef{1}; }
  Fd master_;
  Stdio stdio_;
  Fd unblocked_;  // the output once more, non-blocking, where it can be opened again: our own is shared with other programs
  TerminalMode& mode_;
  struct sigaction pipe_before_;
  Flow typed_, shown_;
  bool typing_ = true, showing_ = true;
  bool finished_ = false;
};

}  // namespace acetate::sandbox
