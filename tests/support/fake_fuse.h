// Plays the kernel: sends FUSE requests over a socket pair and reads the replies, byte for byte as in linux/fuse.h.
// Needs no mount, no /dev/fuse and no privilege.
#pragma once

#include <linux/fuse.h>
#include <sys/types.h>

#include <cstdint>
#include <cstring>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/fd.h"

namespace acetate::test {

// What came back for one request. `error` is a positive errno, 0 for success; of a notification (request 0), its code.
struct FuseReply {
  int error = 0;
  std::string body;

  // The reply's structure at `offset`; a body that is too short ends the program.
  template <class T>
  T as(std::size_t offset = 0) const {
    T out{};
    need(offset + sizeof(T));
    std::memcpy(&out, body.data() + offset, sizeof(T));
    return out;
  }

 private:
  void need(std::size_t size) const;
};

// One name of a READDIR or READDIRPLUS reply; `entry` only in the latter.
struct FuseDirent {
  std::string name;
  std::uint64_t ino = 0;
  std::uint64_t off = 0;
  std::uint32_t type = 0;
  std::optional<fuse_entry_out> entry = {};
};
std::vector<FuseDirent> parse_dirents(const FuseReply& reply, bool plus);

class FakeFuse {
 public:
  FakeFuse();

  Fd take_daemon_end() { return std::move(daemon_); }

  // INIT, offering every flag of the first 32, or only `flags`; of the second 32 `more`.
  fuse_init_out init(std::uint32_t flags = 0xffffffffU, std::uint32_t more = 0);

  // Who sends what follows.
  uid_t uid = 0;
  gid_t gid = 0;
  pid_t pid = 1;

  // Sends a request and returns its number.
  std::uint64_t send(std::uint32_t opcode, std::uint64_t node, std::string_view body = {});
  // Bytes as they are, header and all.
  void send_raw(std::string_view bytes);
  FuseReply wait(std::uint64_t request);
  FuseReply ask(std::uint32_t opcode, std::uint64_t node, std::string_view body = {}) {
    return wait(send(opcode, node, body));
  }

  // Requests that every test needs.
  FuseReply lookup(std::uint64_t parent, std::string_view name);
  FuseReply open(std::uint64_t node, std::uint32_t flags, std::uint32_t opcode = FUSE_OPEN);
  FuseReply read(std::uint64_t node, std::uint64_t handle, std::uint64_t offset, std::uint32_t size,
                 std::uint32_t opcode = FUSE_READ);
  void forget(std::uint64_t node, std::uint64_t count);

  // What the daemon told by itself since this was last asked, of those that came before a reply that was waited for.
  std::vector<FuseReply> notifications() { return std::exchange(notifications_, {}); }

  // From now on nobody reads replies: writing one fails.
  void stop_listening();
  // The connection ends, as when the file system is unmounted.
  void hang_up() { kernel_.reset(); }

 private:
  Fd kernel_;
  Fd daemon_;
  std::uint64_t next_ = 2;
  std::vector<FuseReply> notifications_;
  std::map<std::uint64_t, FuseReply> early_;  // replies to requests nobody waits for yet
};

// Bytes of a structure, and of a NUL-terminated name.
template <class T>
std::string bytes_of(const T& value) {
  return {reinterpret_cast<const char*>(&value), sizeof value};
}
inline std::string name_bytes(std::string_view name) { return std::string(name) + '\0'; }

}  // namespace acetate::test
