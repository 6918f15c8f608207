// Knowing when the daemon of a mount has ended, without knowing its process.
//
// The daemon inherits a descriptor of a file that was locked with flock(2). Such a lock is held for as long
// as any process has the descriptor open, so whoever gets the lock knows that the daemon has written
// everything and is gone; no process id can be taken for another's.
#pragma once

#include <string>

#include "base/fd.h"
#include "base/result.h"
#include "cli/paths.h"

namespace acetate::cli {

// A locked descriptor for the daemon of a new mount on `target` (absolute) to inherit.
Result<Fd> make_mount_record(const Paths& paths, const std::string& target);

// Waits until the daemon of the last mount on `target` has ended. At once when no record tells of one.
Result<void> wait_for_daemon(const Paths& paths, const std::string& target);

}  // namespace acetate::cli
