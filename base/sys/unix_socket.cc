#include "base/sys/unix_socket.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <array>
#include <cstdio>
#include <cstring>

#include "base/sys/call.h"

namespace acetate::sys {

Result<Fd> listen_at(FileAt at) {
  // sun_path holds 107 bytes; through /proc/self/fd only the name has to fit.
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const int length = std::snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d/%s", at.dir.fd, at.name);
  if (length < 0 || static_cast<std::size_t>(length) >= sizeof address.sun_path) return Error(ENAMETOOLONG);
  Fd fd(Adopt{}, TRY(checked(Call::socket, [] { return ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0); })));
  TRY(done(Call::socket, [&] {
    return ::bind(fd.ref().fd, reinterpret_cast<const sockaddr*>(&address), sizeof address);
  }));
  TRY(done(Call::socket, [&] { return ::listen(fd.ref().fd, 1); }));
  return fd;
}

Result<Fd> accept(FdRef listener) {
  return Fd(Adopt{}, TRY(checked(Call::socket, [&] { return ::accept4(listener.fd, nullptr, nullptr, SOCK_CLOEXEC); })));
}

Result<Fd> receive_fd(FdRef socket) {
  std::array<char, 4096> text;  // runc sends the terminal's name along
  iovec part{text.data(), text.size()};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(4 * sizeof(int))> control;
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  const auto got = TRY(checked(Call::recvmsg, [&] { return ::recvmsg(socket.fd, &message, MSG_CMSG_CLOEXEC); }));
  Fd received;
  int count = 0;
  for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr; header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
    for (std::size_t at = CMSG_LEN(0); at + sizeof(int) <= header->cmsg_len; at += sizeof(int)) {
      int fd = -1;
      std::memcpy(&fd, reinterpret_cast<const char*>(header) + at, sizeof fd);
      received = Fd(Adopt{}, fd);  // an earlier one is closed with it
      ++count;
    }
  }
  if (got == 0 || count != 1) return Error(EPROTO);
  return received;
}

}  // namespace acetate::sys
