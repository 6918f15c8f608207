// Sockets of the file system: who listens, who connects, what is sent. Nothing here ends anybody by SIGPIPE.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "base/fd.h"
#include "base/result.h"

namespace acetate::sys {

// A stream of bytes (SOCK_STREAM), or messages kept apart, each of which is one call, whole or not at all (SOCK_SEQPACKET).
enum class SocketKind { stream, messages };

// `dir` is a directory and `name` stands in it, so the length of its path does not matter. What stood there before is
// replaced.
Result<Fd> listen_unix(FdRef dir, const std::string& name, SocketKind kind);
// ECONNREFUSED or ENOENT bare: nobody listens there.
Result<Fd> connect_unix(FdRef dir, const std::string& name, SocketKind kind);
// The same for a path, however long, that may lead through symlinks.
Result<Fd> connect_unix(const std::string& path, SocketKind kind);

Result<Fd> accept(FdRef listening);
// Whose process is at the other end.
Result<uid_t> peer_uid(FdRef socket);

// All of `text`, over a stream. A peer that has closed is EPIPE or ECONNRESET.
Result<void> send_full(FdRef socket, std::string_view text);
Result<void> send_full(FdRef socket, std::span<const std::byte> bytes);
// Says that nothing more comes from us; the answer can still be read.
Result<void> end_of_request(FdRef socket);

Result<void> send_message(FdRef socket, std::span<const std::byte> message);
// The next message's length, cut to `into`; 0 when the other end is gone.
Result<std::size_t> receive_message(FdRef socket, std::span<std::byte> into);

// Waits until there is something to receive (or the other end is gone); false after so long without. -1: for ever.
Result<bool> wait_readable(FdRef fd, int milliseconds);

// Two ends that belong together, for messages.
struct SocketPair {
  Fd one, other;
};
Result<SocketPair> make_socket_pair();

// One descriptor over a socket of a pair. Receiving: EPIPE when the other end went without sending one.
Result<void> send_fd(FdRef socket, FdRef fd);
Result<Fd> receive_fd(FdRef socket);

}  // namespace acetate::sys
