// The mode of the person's terminal, given back at the end, whichever way that is reached: whoever stands between it and a container's puts it into raw
// mode, and may be killed then.
#pragma once

#include <termios.h>

#include <optional>
#include <utility>

#include "base/fd.h"
#include "base/result.h"
#include "builder/sandbox/spec.h"

namespace acetate::sandbox {

class TerminalMode {
 public:
  // ENOTTY with words when it is no terminal.
  static Result<TerminalMode> keep(FdRef terminal);
  TerminalMode(TerminalMode&& other) noexcept : terminal_(std::exchange(other.terminal_, {})), before_(other.before_) {}
  TerminalMode& operator=(TerminalMode&&) = delete;
  ~TerminalMode() { restore(); }

  // Bytes pass as they are typed, ^C included: the container's terminal makes a signal of it.
  void make_raw() const;
  // Nothing is done to one that is as it was.
  void restore() const;

 private:
  explicit TerminalMode(FdRef terminal) : terminal_(terminal) {}
  FdRef terminal_;  // none: moved from
  termios before_{};
};

// Nothing where it is no terminal, or one that has no size, as a serial line.
std::optional<Surroundings::ConsoleSize> console_size(FdRef terminal);

}  // namespace acetate::sandbox
