#include "builder/sandbox/console.h"

#include <poll.h>

#include <array>
#include <span>

#include "base/sys/call.h"
#include "base/sys/file.h"
#include "base/sys/unix_socket.h"

namespace acetate::sandbox {

namespace {

constexpr std::size_t kMostPending = 64 << 10;
constexpr char kEndOfFile = 4;  // ^D

Result<void> set_nonblocking(FdRef fd) {
  return sys::done(sys::Call::fcntl, [&] { return ::fcntl(fd.fd, F_SETFL, O_RDWR | O_NONBLOCK); });
}

}  // namespace

Result<Console> Console::listen(const std::string& dir, FdRef in, FdRef out) {
  const Fd at = TRY(sys::open(dir, O_PATH | O_DIRECTORY));
  (void)sys::unlink({at.ref(), kSocketName});
  Fd listener = TRY_WITHIN(sys::listen_at({at.ref(), kSocketName}), "listening for the container's terminal");
  return Console(std::move(listener), in, out);
}

Console::~Console() {
  if (before_) ::tcsetattr(in_.fd, TCSADRAIN, &*before_);
}

Result<void> Console::receive() {
  const Fd connection = TRY_WITHIN(sys::accept(listener_.ref()), "waiting for the container's terminal");
  terminal_ = TRY_WITHIN(sys::receive_fd(connection.ref()), "receiving the container's terminal");
  listener_.reset();
  TRY(set_nonblocking(terminal_.ref()));
  resize();
  termios mode{};
  if (::tcgetattr(in_.fd, &mode) != 0) return {};  // the person's side is no terminal
  before_ = mode;
  ::cfmakeraw(&mode);
  return sys::done(sys::Call::ioctl, [&] { return ::tcsetattr(in_.fd, TCSADRAIN, &mode); });
}

void Console::resize() const {
  winsize size{};
  if (!terminal_) return;
  if (::ioctl(out_.fd, TIOCGWINSZ, &size) == 0 || ::ioctl(in_.fd, TIOCGWINSZ, &size) == 0)
    ::ioctl(terminal_.ref().fd, TIOCSWINSZ, &size);
}

Result<void> Console::from_person() {
  std::array<char, 4096> buffer;
  const std::size_t got = TRY(sys::read(in_, std::as_writable_bytes(std::span(buffer))));
  if (got == 0) {
    in_ended_ = true;
    pending_ += kEndOfFile;
  }
  pending_.append(buffer.data(), got);
  return {};
}

Result<void> Console::from_container() {
  std::array<char, 16384> buffer;
  auto got = sys::read(terminal_.ref(), std::as_writable_bytes(std::span(buffer)));
  if (!got && got.error().is(EAGAIN)) return {};
  // EIO: nobody has the other side open any more.
  if (!got && !got.error().is(EIO)) return std::move(got).error();
  if (!got || *got == 0) {
    hung_up_ = true;
    return {};
  }
  return sys::write_full(out_, std::string_view(buffer.data(), *got));
}

std::vector<Watched> Console::watch() {
  if (listener_) return {{listener_.ref(), POLLIN, [this](short) { return receive(); }}};
  std::vector<Watched> all;
  if (!hung_up_) {
    const short events = pending_.empty() ? POLLIN : POLLIN | POLLOUT;
    all.push_back({terminal_.ref(), events, [this](short ready) -> Result<void> {
                     if ((ready & POLLOUT) != 0) {
                       auto sent = sys::checked(sys::Call::write, [this] {
                         return ::write(terminal_.ref().fd, pending_.data(), pending_.size());
                       });
                       if (sent) pending_.erase(0, static_cast<std::size_t>(*sent));
                       if (!sent && !sent.error().is(EAGAIN) && !sent.error().is(EIO)) return std::move(sent).error();
                     }
                     return (ready & ~POLLOUT) != 0 ? from_container() : Result<void>();
                   }});
  }
  if (!in_ended_ && !hung_up_ && pending_.size() < kMostPending)
    all.push_back({in_, POLLIN, [this](short) { return from_person(); }});
  return all;
}

Result<void> Console::drain() {
  while (terminal_ && !hung_up_) {
    pollfd polled{terminal_.ref().fd, POLLIN, 0};
    const int ready = TRY(sys::checked(sys::Call::poll, [&] { return ::poll(&polled, 1, 0); }));
    if (ready == 0) return {};
    TRY(from_container());
  }
  return {};
}

}  // namespace acetate::sandbox
