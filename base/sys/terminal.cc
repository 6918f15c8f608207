#include "base/sys/terminal.h"

#include <fcntl.h>
#include <termios.h>

#include <span>

#include "base/scope.h"
#include "base/sys/call.h"
#include "base/sys/file.h"

namespace acetate::sys {

Result<std::string> read_unseen_line(const std::string& prompt) {
  const Fd tty = TRY(open("/dev/tty", O_RDWR | O_NOCTTY));
  termios before{};
  TRY(done(Call::ioctl, [&] { return ::tcgetattr(tty.ref().fd, &before); }));
  termios unseen = before;
  unseen.c_lflag &= ~static_cast<tcflag_t>(ECHO);
  TRY(done(Call::ioctl, [&] { return ::tcsetattr(tty.ref().fd, TCSAFLUSH, &unseen); }));
  const Undo show{[&] { (void)done(Call::ioctl, [&] { return ::tcsetattr(tty.ref().fd, TCSAFLUSH, &before); }); }};
  TRY(write_full(tty.ref(), prompt));
  std::string line;
  for (;;) {
    char c = 0;
    if (TRY(read(tty.ref(), std::as_writable_bytes(std::span(&c, 1)))) == 0 || c == '\n') break;
    line += c;
  }
  TRY(write_full(tty.ref(), "\n"));
  return line;
}

}  // namespace acetate::sys
