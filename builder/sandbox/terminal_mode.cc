#include "builder/sandbox/terminal_mode.h"

namespace acetate::sandbox {

Result<TerminalMode> TerminalMode::keep(FdRef terminal) {
  TerminalMode mode(terminal);
  if (::tcgetattr(terminal.fd, &mode.before_) != 0)
    return fail(ENOTTY, "a terminal is asked for, but standard input is none");
  return mode;
}

void TerminalMode::make_raw() const {
  termios raw = before_;
  ::cfmakeraw(&raw);
  ::tcsetattr(terminal_.fd, TCSANOW, &raw);
}

void TerminalMode::restore() const { ::tcsetattr(terminal_.fd, TCSADRAIN, &before_); }

}  // namespace acetate::sandbox
