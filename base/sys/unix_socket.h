// Sockets of the file system: connecting to one, and passing a descriptor through a pair.
#pragma once

#include <string>
#include <string_view>

#include "base/fd.h"
#include "base/result.h"

namespace acetate::sys {

// A stream to whoever listens at `path`; ENAMETOOLONG past 107 bytes.
Result<Fd> connect_unix(const std::string& path);

// All of `text`. A peer that has closed is EPIPE, or ECONNRESET, and never a signal.
Result<void> send_full(FdRef socket, std::string_view text);

// Says that nothing more comes from us; the answer can still be read.
Result<void> end_of_request(FdRef socket);

struct SocketPair {
  Fd one, other;
};
Result<SocketPair> make_socket_pair();

// One descriptor over a socket of a pair. Receiving: EPIPE when the other end went without sending one.
Result<void> send_fd(FdRef socket, FdRef fd);
Result<Fd> receive_fd(FdRef socket);

}  // namespace acetate::sys
