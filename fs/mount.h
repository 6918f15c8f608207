// Starting our own daemon by its documented command line, and unmounting: all that the builder and the
// commands know of `fuse-overlay`. Links no libfuse; the drop-in contract is exercised by every use.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "base/sys/process.h"

namespace acetate::fs {

struct MountRequest {
  std::vector<std::string> lowers;          // lowerdir elements, top first (see layers/layer_spec.h); escaped here
  std::optional<std::string> upper = {};     // with `work`, or neither: read-only
  std::optional<std::string> work = {};
  std::string target;
  std::optional<std::string> access_log = {};  // where the daemon writes, when it ends, what of the lowers was looked at
  std::vector<std::string> options = {};     // further -o options, as they are
  std::string program = {};                  // empty: find_daemon()
  bool die_with_parent = true;  // unmounted when this process is gone
};

// `fuse-overlay` beside the running executable (also ../fs/fuse/ of a build tree), then ACETATE_FUSE_OVERLAY, then PATH. ENOENT with words.
Result<std::string> find_daemon();

// What goes behind -o for a request, its paths escaped: for whoever starts the daemon in another way than Mount does.
std::string option_line(const MountRequest& request);

// A mount that goes away with the object. Not thread-safe.
class Mount {
 public:
  // Starts the daemon in the foreground and returns once the mount answers (sd_notify(3) READY=1 on a socket
  // of ours). When it fails, what the daemon said on stderr is the error's words. `meanwhile` is called once, while the daemon starts.
  static Result<Mount> start(const MountRequest& request, const std::function<void()>& meanwhile = {});
  Mount(Mount&&) noexcept;
  Mount& operator=(Mount&&) noexcept;
  ~Mount();  // unmounts, lazily if it must, and waits for the daemon

  const std::string& path() const noexcept { return target_; }
  pid_t daemon_pid() const noexcept;
  // EIO with words once the daemon has ended, killed for instance: who looked into the mount then was told of errors.
  Result<void> check();
  // Unmounts and waits until the daemon has written everything and ended. EBUSY with words while in use.
  Result<void> unmount();

 private:
  Mount(std::string target, sys::Child daemon, Fd lifeline);
  std::string target_;
  Fd lifeline_;  // closes when we are gone, however that happens: the daemon then unmounts
  sys::Child daemon_;
};

// Unmounts what is mounted at `path`, by umount2(2) where we may and fusermount3 where not. EINVAL with words
// when nothing is mounted there; `lazy` detaches a busy one.
Result<void> unmount(const std::string& path, bool lazy);
// The same of a mount that only we use: a process that another thread is just starting has all our descriptors until it executes, so
// what is in use is tried again for three seconds.
Result<void> unmount_once_free(const std::string& path);

}  // namespace acetate::fs
