#include "fs/fuse/notify.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <string_view>

#include "base/fd.h"
#include "base/sys/call.h"

namespace acetate::fs {

Result<void> notify_ready() {
  const char* name = ::getenv("NOTIFY_SOCKET");
  if (name == nullptr || *name == '\0') return {};
  const std::string_view text = name;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (text.size() >= sizeof address.sun_path) return fail(ENAMETOOLONG, "NOTIFY_SOCKET is too long: {}", text);
  std::memcpy(address.sun_path, text.data(), text.size());
  if (text[0] == '@') address.sun_path[0] = '\0';
  const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + text.size());
  const Fd socket(Adopt{}, TRY_WITHIN(sys::checked(sys::Call::socket,
                                                   [] { return ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0); }),
                                      "telling {} that the mount is ready", text));
  constexpr std::string_view kReady = "READY=1";
  TRY_WITHIN(sys::checked(sys::Call::sendmsg,
                          [&] {
                            return ::sendto(socket.ref().fd, kReady.data(), kReady.size(), MSG_NOSIGNAL,
                                            reinterpret_cast<const sockaddr*>(&address), length);
                          }),
             "telling {} that the mount is ready", text);
  return {};
}

}  // namespace acetate::fs
