// Ending everything below this process: what a pid namespace does when its first process ends, for where there is none.
#pragma once

#include <sys/types.h>

#include "base/result.h"

namespace acetate::sandbox {

// What is orphaned below this process becomes its child, and not that of somebody farther up; only then can end_offspring() find it.
Result<void> adopt_orphans();

// Kills (SIGKILL) and reaps until this process has no child left, or none but one that is spared with what is below it: each child that ends leaves its own to us, so that in the end none is left
// of those that were below, also of those that fork meanwhile. What another process between was told to adopt comes to us with that process's
// end. Asks again and again for whoever is in the kernel and cannot be killed just now. Needs a /proc of our own pids; an error is the kernel's or that.
// For a process of one thread.
Result<void> end_offspring(pid_t spared = 0);

// Whether it has ended with all its threads, be it reaped or not, by the same /proc; not where that cannot be read.
bool is_over(pid_t pid);

}  // namespace acetate::sandbox
