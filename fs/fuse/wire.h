// What libfuse reads and answers, as bytes: where a word is said to the kernel that libfuse does not know yet.
//
// FUSE_ALLOW_IDMAP (Linux 6.12) lets a mount be shown with other owners by mount_setattr(2). libfuse 3.17 can neither see that
// it is offered nor ask for it, so its answer to INIT is completed on its way out. From then on only requests that make
// something say who asks; of others caller_ids() finds it out.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "fs/fuse/fuse.h"

namespace acetate::fs {

class Wire {
 public:
  // `wanted`: the mount has default_permissions, without which the kernel refuses.
  explicit Wire(bool wanted) : wanted_(wanted) {}

  // A request as it was read.
  void saw(const void* request, std::size_t size) noexcept;
  // An answer before it is written.
  void complete(const iovec* parts, int count) noexcept;

 private:
  const bool wanted_;
  std::optional<std::uint64_t> init_;  // the request of INIT that offered it. INIT is answered before anything else is asked
};

// Who asks: what the request says, else what /proc says of the thread that waits for our answer. Nothing where that cannot be seen.
struct CallerIds {
  uid_t uid;
  gid_t gid;
};
std::optional<CallerIds> caller_ids(fuse_req_t req);
// The rule: of /proc/PID/status, the ids that file systems go by.
std::optional<CallerIds> ids_told_by(std::string_view status);

}  // namespace acetate::fs
