#include "fs/fuse/control_server.h"

#include <poll.h>
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
constexpr int kPauseMilliseconds = 100;

bool may_ask(FdRef client) {
  const auto peer = sys::peer_uid(client);
  return peer && (*peer == ::geteuid() || *peer == 0);
}

}  // namespace

struct ControlServer::Impl {
  Answer answer;
  Fd dir;
  std::string name;
  Fd listening;
  ino_t inode = 0;  // of the socket's name
  sys::Pipe quit;  // its write end closes when the server ends
  std::thread thread;

  // False when the server is to end, or the client has nothing (more) to say for too long.
  bool wait_for(FdRef fd, int milliseconds) const {
    std::array<pollfd, 2> on{pollfd{quit.read.ref().fd, POLLIN, 0}, pollfd{fd.fd, POLLIN, 0}};
    const auto ready = sys::checked(sys::Call::poll, [&] { return ::poll(on.data(), on.size(), milliseconds); });
    return ready && *ready > 0 && on[0].revents == 0;
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
      const auto client = sys::accept(listening.ref());
      if (client) {
        serve(client->ref());
      } else if (client.error().is(EMFILE) || client.error().is(ENFILE)) {
        // It stays in the queue: without a pause this would be asked again and again.
        (void)wait_for(FdRef(), kPauseMilliseconds);
      }
    }
  }
};

ControlServer::ControlServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {
  impl_->thread = std::thread([served = impl_.get()] { served->run(); });
}

ControlServer::~ControlServer() {
  impl_->quit.write.reset();
  impl_->thread.join();
  // The number of a device is another mount's as soon as ours is gone, and then so may be the name.
  const FileAt at{impl_->dir.ref(), impl_->name.c_str()};
  if (const auto there = sys::stat(at); there && there->st_ino == impl_->inode) (void)sys::unlink(at);
}

Result<std::unique_ptr<ControlServer>> ControlServer::start(dev_t device, Answer answer) {
  auto impl = std::make_unique<Impl>();
  impl->answer = std::move(answer);
  impl->dir = TRY(open_control_dir());
  impl->name = control_socket_name(device);
  impl->listening = TRY(sys::listen_unix(impl->dir.ref(), impl->name, sys::SocketKind::stream));
  impl->inode = TRY(sys::stat(FileAt{impl->dir.ref(), impl->name.c_str()})).st_ino;
  impl->quit = TRY(sys::make_pipe());
  return std::unique_ptr<ControlServer>(new ControlServer(std::move(impl)));
}

}  // namespace acetate::fs
