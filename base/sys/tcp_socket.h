// Sockets of the internet: who is at their ends, and what they give and take without anybody waiting.
#pragma once

#include <poll.h>

#include <cstddef>
#include <span>
#include <string>

#include "base/fd.h"
#include "base/result.h"

namespace acetate::sys {

// A port can be listened on again right after whoever had it ended, and not beside it (SO_REUSEADDR).
Result<void> reuse_address(FdRef socket);

// How many may wait to be accepted, of a socket that is listened on already: listen(2) once more.
Result<void> let_wait(FdRef listening, int clients);

// From now on who reads or writes it is told EAGAIN where he would wait.
Result<void> never_wait(FdRef socket);

// What has come, cut to `into`; 0 when the other end sends no more. EAGAIN bare: nothing yet.
Result<std::size_t> receive_some(FdRef socket, std::span<std::byte> into);
// As much as there is room for. EAGAIN bare: none yet. A peer that has closed is EPIPE or ECONNRESET, and no SIGPIPE.
Result<std::size_t> send_some(FdRef socket, std::span<const std::byte> bytes);

// poll(2), -1: for ever. How many have something; 0 when the time is over.
Result<std::size_t> poll(std::span<pollfd> waited, int milliseconds);

struct Address {
  std::string ip;  // in numbers
  int port = 0;
};
Result<Address> peer_address(FdRef socket);
Result<Address> own_address(FdRef socket);

}  // namespace acetate::sys
