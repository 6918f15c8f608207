#include "builder/sandbox/terminal_mode.h"

#include <sys/ioctl.h>

#include <algorithm>

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

namespace {

bool is_same(const termios& one, const termios& other) {
  return one.c_iflag == other.c_iflag && one.c_oflag == other.c_oflag && one.c_cflag == other.c_cflag && one.c_lflag == other.c_lflag &&
         std::ranges::equal(one.c_cc, other.c_cc);
}

}  // namespace

void TerminalMode::restore() const {
  termios now{};
  if (!terminal_ || ::tcgetattr(terminal_.fd, &now) != 0 || is_same(now, before_)) return;
  ::tcsetattr(terminal_.fd, TCSADRAIN, &before_);
}

std::optional<Surroundings::ConsoleSize> console_size(FdRef terminal) {
  winsize size{};
  if (::ioctl(terminal.fd, TIOCGWINSZ, &size) != 0 || size.ws_row == 0 || size.ws_col == 0) return std::nullopt;
  return Surroundings::ConsoleSize{.rows = size.ws_row, .columns = size.ws_col};
}

}  // namespace acetate::sandbox
