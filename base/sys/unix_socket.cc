#include "base/sys/unix_socket.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <cstring>

#include "base/sys/call.h"

namespace acetate::sys {

Result<Fd> connect_unix(const std::string& path) {
  sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
  if (path.size() >= sizeof address.sun_path) return Error(ENAMETOOLONG);
  path.copy(address.sun_path, path.size());
  Fd fd(Adopt{}, TRY(checked(Call::socket, [] { return ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0); })));
  TRY(done(Call::socket, [&] { return ::connect(fd.ref().fd, reinterpret_cast<const sockaddr*>(&address), sizeof address); }));
  return fd;
}

Result<void> send_full(FdRef socket, std::string_view text) {
  while (!text.empty()) {
    const auto count =
        TRY(checked(Call::sendmsg, [&] { return ::send(socket.fd, text.data(), text.size(), MSG_NOSIGNAL); }));
    text.remove_prefix(static_cast<std::size_t>(count));
  }
  return {};
}

Result<void> end_of_request(FdRef socket) {
  return done(Call::socket, [&] { return ::shutdown(socket.fd, SHUT_WR); });
}

Result<SocketPair> make_socket_pair() {
  int ends[2];
  TRY(done(Call::socketpair, [&] { return ::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends); }));
  return SocketPair{Fd(Adopt{}, ends[0]), Fd(Adopt{}, ends[1])};
}

namespace {

// One byte of data, since no data is no message, and room for one descriptor beside it.
struct Message {
  char byte = 0;
  iovec data{&byte, 1};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr header{};
  Message() {
    header.msg_iov = &data;
    header.msg_iovlen = 1;
    header.msg_control = control;
    header.msg_controllen = sizeof control;
  }
};

}  // namespace

Result<void> send_fd(FdRef socket, FdRef fd) {
  Message message;
  cmsghdr* part = CMSG_FIRSTHDR(&message.header);
  part->cmsg_level = SOL_SOCKET;
  part->cmsg_type = SCM_RIGHTS;
  part->cmsg_len = CMSG_LEN(sizeof(int));
  std::memcpy(CMSG_DATA(part), &fd.fd, sizeof(int));
  return done(Call::sendmsg, [&] { return ::sendmsg(socket.fd, &message.header, MSG_NOSIGNAL); });
}

Result<Fd> receive_fd(FdRef socket) {
  Message message;
  TRY(checked(Call::recvmsg, [&] { return ::recvmsg(socket.fd, &message.header, MSG_CMSG_CLOEXEC); }));
  const cmsghdr* part = CMSG_FIRSTHDR(&message.header);
  if (part == nullptr || part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) return Error(EPIPE);
  int fd = -1;
  std::memcpy(&fd, CMSG_DATA(part), sizeof fd);
  return Fd(Adopt{}, fd);
}

}  // namespace acetate::sys
