#include "fs/fuse/control_server.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <thread>

#include "base/log.h"
#include "base/sys/call.h"
#include "base/sys/file.h"
#include "base/sys/process.h"
#include "base/sys/unix_socket.h"
#include "fs/control.h"

namespace acetate::fs {

namespace {

constexpr std::size_t kMostRequest = 16U << 10;
// A client that is connected and silent must not keep others out.
constexpr int kPatienceMilliseconds = 5000;

bool may_ask(FdRef client) {
  ucred peer{};
  socklen_t length = sizeof peer;
  if (::getsockopt(client.fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) != 0) return false;
  return peer.uid == ::geteuid() || peer.uid == 0;
}

}  // namespace

struct ControlServer::Impl {
  Answer answer;
  Fd dir;
  std::string name;
  Fd listening;
  sys::Pipe quit;  // its write end closes when the server ends
  std::thread thread;

  // False when the server is to end, or the client has nothing (more) to say for too long.
  bool wait_for(FdRef fd, int milliseconds) const {
    std::array<pollfd, 2> on{pollfd{quit.read.ref().fd, POLLIN, 0}, pollfd{fd.fd, POLLIN, 0}};
    for (;;) {
      const int ready = ::poll(on.data(), on.size(), milliseconds);
      if (ready < 0 && errno == EINTR) continue;
      return ready > 0 && on[0].revents == 0;
    }
  }

  Result<std::string> read_request(FdRef client) const {
    std::string text;
    std::array<std::byte, 1024> part;
    while (text.find('\n') == std::string::npos) {
      if (!wait_for(client, kPatienceMilliseconds)) return Error(ETIMEDOUT);
      const std::size_t count = TRY(sys::read(client, part));
      if (count == 0) break;
      text.append(reinterpret_cast<const char*>(part.data()), count);
      if (text.size() > kMostRequest) return fail(E2BIG, "a request is too long");
    }
    return text.substr(0, text.find('\n'));
  }

  void serve(FdRef client) const {
    if (!may_ask(client)) return;
    auto request = read_request(client);
    if (!request) return;
    auto said = answer(*request);
    // A client that has gone has nothing more to be told.
    (void)sys::send_full(client, said ? "ok\n" + *said : "error " + said.error().message() + "\n");
  }

  void run() const {
    while (wait_for(listening.ref(), -1)) {
      const int fd = ::accept4(listening.ref().fd, nullptr, nullptr, SOCK_CLOEXEC);
      if (fd < 0) {
        // The client stays in the queue: without a pause this would be asked again and again.
        if (errno == EMFILE || errno == ENFILE) ::usleep(100'000);
        continue;
      }
      const Fd client(Adopt{}, fd);
      serve(client.ref());
    }
  }
};

ControlServer::ControlServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {
  impl_->thread = std::thread([served = impl_.get()] { served->run(); });
}

ControlServer::~ControlServer() {
  impl_->quit.write.reset();
  impl_->thread.join();
  (void)sys::unlink(FileAt{impl_->dir.ref(), impl_->name.c_str()});
}

Result<std::unique_ptr<ControlServer>> ControlServer::start(dev_t device, Answer answer) {
  auto impl = std::make_unique<Impl>();
  impl->answer = std::move(answer);
  impl->dir = TRY(open_control_dir());
  impl->name = control_socket_name(device);
  impl->listening = TRY(listen_at(impl->dir.ref(), impl->name));
  impl->quit = TRY(sys::make_pipe());
  return std::unique_ptr<ControlServer>(new ControlServer(std::move(impl)));
}

}  // namespace acetate::fs
