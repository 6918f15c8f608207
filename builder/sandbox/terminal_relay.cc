#include "builder/sandbox/terminal_relay.h"

#include <poll.h>
#include <sys/ioctl.h>

#include <array>
#include <span>

#include "base/sys/call.h"
#include "base/sys/file.h"

namespace acetate::sandbox {

TerminalRelay::TerminalRelay(Fd master, Stdio stdio, TerminalMode& mode) : master_(std::move(master)), stdio_(stdio), mode_(mode) {
  mode_.make_raw();
  copy_size();
}

void TerminalRelay::copy_size() const {
  winsize size{};
  if (::ioctl(input().fd, TIOCGWINSZ, &size) == 0) ::ioctl(master_.ref().fd, TIOCSWINSZ, &size);
}

bool TerminalRelay::pass(FdRef from, FdRef to) {
  std::array<std::byte, 16384> buffer;
  const auto got = sys::read(from, buffer);
  if (!got || *got == 0) return false;  // EIO: nobody has the container's side open any more
  return sys::write_full(to, std::span<const std::byte>(buffer).first(*got)).has_value();
}

Result<sys::Exit> TerminalRelay::wait(const HeldSignals& signals, sys::Child& child, std::optional<TimeLimit> limit) {
  Forwarder forwarder = TRY(Forwarder::make(signals, child, limit, Group::its_own));
  bool typing = true, showing = true;
  std::optional<sys::Exit> exit;
  for (;;) {
    if (!exit) exit = TRY(child.poll());
    if (exit && !showing) return *exit;
    // Once it has ended, what it wrote is still on its way through the terminal, whose end comes with the last process
    // that has it open. Without a pid namespace one may be left over; then a quiet moment is the end.
    constexpr int kQuiet = 200;
    const int timeout = exit ? kQuiet : TRY(forwarder.timeout());
    std::array<pollfd, 4> polled{pollfd{typing && !exit ? input().fd : -1, POLLIN, 0}, pollfd{showing ? master_.ref().fd : -1, POLLIN, 0},
                                 pollfd{exit ? -1 : forwarder.signals().fd, POLLIN, 0}, pollfd{exit ? -1 : forwarder.ended().fd, POLLIN, 0}};
    TRY(sys::done(sys::Call::poll, [&] { return ::poll(polled.data(), polled.size(), timeout); }));
    if (exit && polled[1].revents == 0) return *exit;
    if (polled[0].revents != 0) typing = pass(input(), master_.ref());
    if (polled[1].revents != 0) showing = pass(master_.ref(), output());
    if (polled[2].revents != 0 && TRY(forwarder.hand_on())) copy_size();
  }
}

void TerminalRelay::finish() { mode_.restore(); }

}  // namespace acetate::sandbox
