#include "base/sys/message_socket.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cstring>

#include "base/sys/call.h"
#include "base/sys/file.h"

namespace acetate::sys {

namespace {

constexpr int kWaiting = 64;

Result<sockaddr_un> address_of(FdRef dir, const std::string& name) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string path = std::string(ProcFdPath(dir).c_str()) + "/" + name;
  if (path.size() >= sizeof address.sun_path) return Error(ENAMETOOLONG);
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  return address;
}

Result<Fd> make_socket() {
  return Fd(Adopt{}, TRY(checked(Call::socket, [] { return ::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0); })));
}

const sockaddr* any(const sockaddr_un& address) { return reinterpret_cast<const sockaddr*>(&address); }

}  // namespace

Result<Fd> listen_for_messages(FdRef dir, const std::string& name) {
  const sockaddr_un address = TRY(address_of(dir, name));
  Fd socket = TRY(make_socket());
  if (auto gone = unlink({dir, name.c_str()}); !gone && !gone.error().is(ENOENT)) return std::move(gone).error();
  TRY(done(Call::socket, [&] { return ::bind(socket.ref().fd, any(address), sizeof address); }));
  TRY(done(Call::socket, [&] { return ::listen(socket.ref().fd, kWaiting); }));
  return socket;
}

Result<Fd> connect_for_messages(FdRef dir, const std::string& name) {
  const sockaddr_un address = TRY(address_of(dir, name));
  Fd socket = TRY(make_socket());
  TRY(done(Call::socket, [&] { return ::connect(socket.ref().fd, any(address), sizeof address); }));
  return socket;
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

}  // namespace acetate::sys
