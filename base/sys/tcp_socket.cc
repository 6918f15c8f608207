#include "base/sys/tcp_socket.h"

#include <fcntl.h>
#include <netdb.h>
#include <sys/socket.h>

#include <string_view>

#include "base/number.h"
#include "base/sys/call.h"

namespace acetate::sys {

namespace {

using Ask = int (*)(int, sockaddr*, socklen_t*);

Result<Address> address(FdRef socket, Ask ask) {
  sockaddr_storage raw{};
  socklen_t size = sizeof raw;
  auto* const address = reinterpret_cast<sockaddr*>(&raw);
  TRY(done(Call::socket, [&] { return ask(socket.fd, address, &size); }));
  char host[NI_MAXHOST], port[NI_MAXSERV];
  if (::getnameinfo(address, size, host, sizeof host, port, sizeof port, NI_NUMERICHOST | NI_NUMERICSERV) != 0) return Error(EAFNOSUPPORT);
  const auto number = number_of<decltype(Address::port)>(port);
  if (!number) return Error(EAFNOSUPPORT);
  return Address{.ip = host, .port = *number};
}

}  // namespace

Result<void> reuse_address(FdRef socket) {
  const int yes = 1;
  return done(Call::socket, [&] { return ::setsockopt(socket.fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes); });
}

Result<void> let_wait(FdRef listening, int clients) {
  return done(Call::socket, [&] { return ::listen(listening.fd, clients); });
}

Result<void> never_wait(FdRef socket) {
  const int flags = TRY(checked(Call::fcntl, [&] { return ::fcntl(socket.fd, F_GETFL); }));
  return done(Call::fcntl, [&] { return ::fcntl(socket.fd, F_SETFL, flags | O_NONBLOCK); });
}

Result<std::size_t> receive_some(FdRef socket, std::span<std::byte> into) {
  const ssize_t got = TRY(checked(Call::recvmsg, [&] { return ::recv(socket.fd, into.data(), into.size(), 0); }));
  return static_cast<std::size_t>(got);
}

Result<std::size_t> send_some(FdRef socket, std::span<const std::byte> bytes) {
  const ssize_t sent = TRY(checked(Call::sendmsg, [&] { return ::send(socket.fd, bytes.data(), bytes.size(), MSG_NOSIGNAL); }));
  return static_cast<std::size_t>(sent);
}

Result<std::size_t> poll(std::span<pollfd> waited, int milliseconds) {
  const int ready = TRY(checked(Call::poll, [&] { return ::poll(waited.data(), waited.size(), milliseconds); }));
  return static_cast<std::size_t>(ready);
}

Result<Address> peer_address(FdRef socket) { return address(socket, ::getpeername); }
Result<Address> own_address(FdRef socket) { return address(socket, ::getsockname); }

}  // namespace acetate::sys
