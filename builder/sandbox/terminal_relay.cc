#include "builder/sandbox/terminal_relay.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <utility>

#include "base/sys/call.h"
#include "base/sys/file.h"

namespace acetate::sandbox {

namespace {

// What may let us wait for its reader, opened again for ourselves. Nothing where that is not allowed (after su, the terminal is
// somebody else's): then only what polls writable is written.
Fd without_waiting(FdRef output) {
  const auto st = sys::stat(output);
  if (!st || (!S_ISCHR(st->st_mode) && !S_ISFIFO(st->st_mode))) return {};
  auto again = sys::reopen(output, O_WRONLY | O_NONBLOCK | O_NOCTTY);
  return again ? *std::move(again) : Fd();
}

}  // namespace

TerminalRelay::TerminalRelay(Fd master, Stdio stdio, TerminalMode& mode)
    : master_(std::move(master)), stdio_(stdio), unblocked_(without_waiting(stdio.out ? stdio.out : FdRef{1})), mode_(mode) {
  ::fcntl(master_.ref().fd, F_SETFL, O_RDWR | O_NONBLOCK);
  // Where nobody reads our output any more the terminal's mode is still to be given back.
  struct sigaction ignored = {};
  ignored.sa_handler = SIG_IGN;
  ::sigaction(SIGPIPE, &ignored, &pipe_before_);
  mode_.make_raw();
  copy_size();
}

void TerminalRelay::copy_size() const {
  winsize size{};
  if (::ioctl(input().fd, TIOCGWINSZ, &size) == 0) ::ioctl(master_.ref().fd, TIOCSWINSZ, &size);
}

bool TerminalRelay::Flow::fill(FdRef from) {
  const auto got = sys::read(from, bytes_);
  if (!got) return got.error().is(EAGAIN);  // EIO: nobody has the container's side open any more
  begin_ = 0;
  end_ = *got;
  return *got > 0;
}

bool TerminalRelay::Flow::drain(FdRef to) {
  const auto put = sys::checked(sys::Call::write, [&] { return ::write(to.fd, bytes_.data() + begin_, end_ - begin_); });
  if (!put) return put.error().is(EAGAIN);
  begin_ += static_cast<std::size_t>(*put);
  return true;
}

// As a terminal does when its line is cut: the kernel tells the leader of the container's session.
void TerminalRelay::hang_up() {
  master_.reset();
  typing_ = showing_ = false;
  typed_.drop();
}

Result<sys::Exit> TerminalRelay::wait(const HeldSignals& signals, Attended& child, std::optional<TimeLimit> limit) {
  Forwarder forwarder = TRY(Forwarder::make(signals, child, limit, Group::its_own, Above::ours));
  std::optional<sys::Exit> exit;
  for (;;) {
    if (!exit) exit = TRY(child.poll());
    if (exit && !showing_ && shown_.empty()) return *exit;
    // Once it has ended, what it wrote is still on its way through the terminal, whose end comes with the last process
    // that has it open. That may be one whom the command handed it to; then a quiet moment is the end.
    constexpr int kQuiet = 200;
    const int timeout = !exit ? TRY(forwarder.timeout()) : shown_.empty() ? kQuiet : -1;
    const int typed = typing_ && typed_.empty() ? POLLIN : 0;
    const int relayed = (showing_ && shown_.empty() ? POLLIN : 0) | (!exit && !typed_.empty() ? POLLOUT : 0);
    // The input is watched for its end also when nothing is read of it; another descriptor that nothing is wanted of would keep us awake by its end.
    enum { kInput, kMaster, kOutput, kSignals, kEnded };
    std::array<pollfd, 5> polled{pollfd{master_ && !exit ? input().fd : -1, static_cast<short>(typed), 0}, pollfd{relayed != 0 ? master_.ref().fd : -1, static_cast<short>(relayed), 0},
                                 pollfd{shown_.empty() ? -1 : output().fd, POLLOUT, 0}, pollfd{forwarder.signals().fd, POLLIN, 0}, pollfd{exit ? -1 : forwarder.ended().fd, POLLIN, 0}};
    if (TRY(sys::checked(sys::Call::poll, [&] { return ::poll(polled.data(), polled.size(), timeout); })) == 0 && exit) return *exit;
    if (polled[kSignals].revents != 0) {
      const Forwarder::Heard heard = TRY(forwarder.hand_on());
      if (heard.resized) copy_size();
      if (exit && heard.handed_on) return *exit;  // meant for one who has ended: nobody is to wait for who does not read
    }
    if (polled[kMaster].revents != 0) {
      if ((relayed & POLLIN) != 0 && (polled[kMaster].revents & ~POLLOUT) != 0 && !shown_.fill(master_.ref())) {
        // Nobody is there who could read either. It stays open: a command that closed its terminal is not to be ended by that.
        showing_ = typing_ = false;
        typed_.drop();
      }
      if (!typed_.empty() && ((polled[kMaster].revents & POLLHUP) != 0 || !typed_.drain(master_.ref()))) {
        typing_ = false;
        typed_.drop();
      }
    }
    if ((polled[kInput].revents & POLLIN) != 0) typing_ = typed_.fill(input());
    if ((polled[kInput].revents & (POLLHUP | POLLERR | POLLNVAL)) != 0 && (typed == 0 || typed_.empty())) hang_up();
    if (polled[kOutput].revents != 0 && !shown_.drain(output())) {
      shown_.drop();
      hang_up();
    }
  }
}

void TerminalRelay::finish() {
  if (std::exchange(finished_, true)) return;
  mode_.restore();
  ::sigaction(SIGPIPE, &pipe_before_, nullptr);
}

}  // namespace acetate::sandbox
