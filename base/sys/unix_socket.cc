#include "base/sys/unix_socket.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cstring>

#include "base/sys/call.h"
#include "base/sys/file.h"

namespace acetate::sys {

namespace {

constexpr int kWaiting = 64;

Result<sockaddr_un> address_of(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) return Error(ENAMETOOLONG);
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  return address;
}

Result<sockaddr_un> address_of(FdRef dir, const std::string& name) {
  return address_of(std::string(ProcFdPath(dir).c_str()) + "/" + name);
}

const sockaddr* any(const sockaddr_un& address) { return reinterpret_cast<const sockaddr*>(&address); }

Result<Fd> make_socket(SocketKind kind) {
  const int type = kind == SocketKind::stream ? SOCK_STREAM : SOCK_SEQPACKET;
  return Fd(Adopt{}, TRY(checked(Call::socket, [&] { return ::socket(AF_UNIX, type | SOCK_CLOEXEC, 0); })));
}

Result<Fd> connect(const sockaddr_un& address, SocketKind kind) {
  Fd socket = TRY(make_socket(kind));
  TRY(done(Call::socket, [&] { return ::connect(socket.ref().fd, any(address), sizeof address); }));
  return socket;
}

}  // namespace

Result<Fd> listen_unix(FdRef dir, const std::string& name, SocketKind kind) {
  const sockaddr_un address = TRY(address_of(dir, name));
  Fd socket = TRY(make_socket(kind));
  if (auto gone = unlink({dir, name.c_str()}); !gone && !gone.error().is(ENOENT)) return std::move(gone).error();
  TRY(done(Call::socket, [&] { return ::bind(socket.ref().fd, any(address), sizeof address); }));
  TRY(done(Call::socket, [&] { return ::listen(socket.ref().fd, kWaiting); }));
  return socket;
}

Result<Fd> connect_unix(FdRef dir, const std::string& name, SocketKind kind) {
  return connect(TRY(address_of(dir, name)), kind);
}

Result<Fd> connect_unix(const std::string& path, SocketKind kind) {
  const Fd target = TRY(open(path, O_PATH));
  return connect(TRY(address_of(ProcFdPath(target.ref()).c_str())), kind);
}

Result<Fd> accept(FdRef listening) {
  return Fd(Adopt{}, TRY(checked(Call::socket, [&] { return ::accept4(listening.fd, nullptr, nullptr, SOCK_CLOEXEC); })));
}

Result<uid_t> peer_uid(FdRef socket) {
  ucred peer{};
  socklen_t length = sizeof peer;
  TRY(done(Call::socket, [&] { return ::getsockopt(socket.fd, SOL_SOCKET, SO_PEERCRED, &peer, &length); }));
  return peer.uid;
}

Result<void> send_full(FdRef socket, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const auto count =
        TRY(checked(Call::sendmsg, [&] { return ::send(socket.fd, bytes.data(), bytes.size(), MSG_NOSIGNAL); }));
    bytes = bytes.subspan(static_cast<std::size_t>(count));
  }
  return {};
}

Result<void> send_full(FdRef socket, std::string_view text) {
  return send_full(socket, std::as_bytes(std::span(text)));
}

Result<void> end_of_request(FdRef socket) {
  return done(Call::socket, [&] { return ::shutdown(socket.fd, SHUT_WR); });
}

Result<void> send_message(FdRef socket, std::span<const std::byte> message) {
  return done(Call::sendmsg, [&] { return ::send(socket.fd, message.data(), message.size(), MSG_NOSIGNAL); });
}

Result<std::size_t> receive_message(FdRef socket, std::span<std::byte> into) {
  const auto count = TRY(checked(Call::recvmsg, [&] { return ::recv(socket.fd, into.data(), into.size(), 0); }));
  return static_cast<std::size_t>(count);
}

Result<bool> wait_readable(FdRef fd, int milliseconds) {
  pollfd one{fd.fd, POLLIN, 0};
  return TRY(checked(Call::poll, [&] { return ::poll(&one, 1, milliseconds); })) > 0;
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
