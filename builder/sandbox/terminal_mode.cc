#include "builder/sandbox/terminal_mode.h"

#include <sys/ioctl.h>

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

std::optional<Surroundings::ConsoleSize> console_size(FdRef terminal) {
  winsize size{};
  if (::ioctl(terminal.fd, TIOCGWINSZ, &size) != 0 || size.ws_row == 0 || size.ws_col == 0) return std::nullopt;
  return Surroundings::ConsoleSize{.rows = size.ws_row, .columns = size.ws_col};
}

}  // namespace acetate::sandbox
