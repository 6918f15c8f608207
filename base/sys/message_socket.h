// Sockets of the file system that keep messages apart (SOCK_SEQPACKET): one message is one call, whole or not at all.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <span>
#include <string>

#include "base/fd.h"
#include "base/result.h"

namespace acetate::sys {

// `dir` is a directory and `name` stands in it: so the length of its path does not matter. What stood there before is
// replaced.
Result<Fd> listen_for_messages(FdRef dir, const std::string& name);
// ECONNREFUSED or ENOENT bare: nobody listens there.
Result<Fd> connect_for_messages(FdRef dir, const std::string& name);

Result<Fd> accept(FdRef listening);
// Whose process is at the other end.
Result<uid_t> peer_uid(FdRef socket);

Result<void> send_message(FdRef socket, std::span<const std::byte> message);
// The next message's length, cut to `into`; 0 when the other end is gone.
Result<std::size_t> receive_message(FdRef socket, std::span<std::byte> into);

// Waits until there is something to receive (or the other end is gone); false after so long without. -1: for ever.
Result<bool> wait_readable(FdRef fd, int milliseconds);

}  // namespace acetate::sys
