// The kernel's overlayfs as the writable layer above a mount of ours: the layers stay where they are, read lazily by our
// daemon, and what is written is written as fast as the disk takes it.
//
// As root it is mounted plainly, in a user namespace with "userxattr" (Documentation/filesystems/overlayfs.rst). Either way the
// upper holds what ours would hold: device whiteouts, overlay.opaque, whole files. Redirects and metacopy stay off.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace acetate::sandbox {

// Who keeps what is written.
enum class UpperKind {
  own,     // our daemon
  kernel,  // the kernel's overlay, or an error
  either,  // the kernel's where it works, else ours
};
// "own", "kernel", "auto"; nothing for other words.
std::optional<UpperKind> parse_upper_kind(std::string_view word);

// Really mounts one over a directory with two names, removes them, makes one again, and looks at what that left: a kernel may mount
// it and then be unable to make whiteouts there. Leaves nothing in `dir`, which lies on the file system that uppers are on. In words
// why it does not work. Inside the holder.
Result<void> try_kernel_overlay(const std::string& dir);

// A mount that goes away with the object. Not thread-safe.
class KernelOverlay {
 public:
  // All are directories that are there; `work` lies on the upper's file system and is empty, or of an earlier mount. Without
  // `durable` nothing is synced, neither by fsync(2) nor at the end, and `work` is of no further use.
  struct Places {
    std::string lower, upper, work, target;
  };
  static Result<KernelOverlay> mount(const Places& places, bool durable);
  KernelOverlay(KernelOverlay&& other) noexcept : target_(std::exchange(other.target_, {})) {}
  KernelOverlay& operator=(KernelOverlay&& other) noexcept;
  ~KernelOverlay();  // unmounts, lazily if it must

  // After it the upper holds everything. EBUSY with words while in use.
  Result<void> unmount();

 private:
  explicit KernelOverlay(std::string target) : target_(std::move(target)) {}
  std::string target_;  // empty: not mounted any more
};

}  // namespace acetate::sandbox
