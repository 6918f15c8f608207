#include "base/sys/tcp_socket.h"

#include <sys/socket.h>

#include "base/sys/call.h"

namespace acetate::sys {

Result<void> reuse_address(FdRef socket) {
  const int yes = 1;
  return done(Call::socket, [&] { return ::setsockopt(socket.fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes); });
}

}  // namespace acetate::sys
