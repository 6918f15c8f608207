// Going to the background as callers of fuse-overlayfs expect: the command returns 0 once the mount answers and 1 when
// it never will, and everything said before that is on the caller's stderr.
#pragma once

#include "base/result.h"
#include "base/sys/process.h"

namespace acetate::fs {

// The process is forked at the very beginning, not when it is mounted as daemon(3) would: threads do not survive a
// fork, and reading layers may start some.
class Background {
 public:
  // Returns in the child only. The parent waits for ready() and exits with 0, or with the child's code if it ends.
  // Precondition: the process has one thread.
  static Result<Background> enter();

  // Leaves the caller's session, directory and terminal, and lets the parent go.
  Result<void> ready();

 private:
  explicit Background(Fd parent) : parent_(std::move(parent)) {}
  Fd parent_;
};

}  // namespace acetate::fs
