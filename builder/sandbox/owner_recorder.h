// OwnerRecorder: plays chown(2) for a container that has one id, and writes down whom it gave its files to.
//
// The container's filter stops at each call that changes an owner and asks here (seccomp_unotify(2)). We look up what the call names
// as the caller sees it, tell the mount (fs/owner_note.h), and the call has succeeded. What lies on another mount, such as a volume,
// stays as it is: it cannot be given away. So the image that is made of the upper directory has the owners that it would have where
// there are ids for them.
//
// A caller that changes its memory or its root while we look can choose another file of the same mount, which it may give away as
// well; it reaches nothing else.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "builder/sandbox/spec.h"

namespace acetate::sandbox {

class OwnerRecorder {
 public:
  // `rootfs`: the mount. ENOTSUP with words where this kernel has no such filters, or /proc does not show our own processes.
  static Result<std::unique_ptr<OwnerRecorder>> make(FdRef rootfs);
  // Ends the answering: a call that is still waiting then fails with ENOSYS.
  virtual ~OwnerRecorder() = default;

  // Answers until the container is gone, in a thread. Once, and either:
  // what the filter's installer was given,
  virtual Result<void> answer(Fd listener) = 0;
  // or what an OCI runtime sends to a socket (runtime-spec config-linux.md, listenerPath), which is made at `path`.
  virtual Result<void> answer_at(const std::string& path) = 0;
};

// One for the container that `spec` describes, whose filter then asks: our own launcher hands over what it was given (answer()), an OCI
// runtime sends it to a socket in `dir`, where it is waited for already. Null where that socket's path is too long to be connected to.
Result<std::unique_ptr<OwnerRecorder>> record_owners(Spec& spec, FdRef rootfs, const std::string& dir, bool native);

// The calls it answers.
const std::vector<std::string>& owner_calls();

}  // namespace acetate::sandbox
