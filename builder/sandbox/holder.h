// The holder: the process that owns the user and mount namespaces in which images are mounted and run.
//
// Entered once, before any thread is started. Inside it, uid 0 is the caller; FUSE is mounted with mount(2);
// children run in it or below it.
#pragma once

#include <sys/types.h>

#include <functional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/sys/userns.h"

namespace acetate::sandbox {

enum class IdMode {
  range,   // 0 -> caller, 1.. -> the subordinate range, by newuidmap/newgidmap
  single,  // 0 -> caller and nothing else; root emulation by seccomp
  none,    // no user namespace of ours: real root, or already inside one with enough ids
};

struct HolderPlan {
  IdMode mode = IdMode::none;
  std::vector<sys::IdRange> uids, gids;  // what to map; empty for `none`
  bool own_pids = true;  // its own pid namespace; false where /proc cannot be mounted anew (masked by a container)
  std::string why;       // in words, for doctor and -v: "no entry for alice in /etc/subuid"
};

// Decides by looking and by really trying; does nothing lasting.
Result<HolderPlan> plan_holder();

// Forks. The child becomes the holder: new user namespace (unless `none`), mount and pid namespace, mounts
// private; in it `body` runs and its value is the holder's exit code. The parent forwards SIGINT, SIGTERM,
// SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2 (but for those of a terminal, which reach the whole process group anyway),
// waits, and returns the holder's exit code (128+n for a signal). If the parent dies, the holder is killed, and
// with it every mount and every process. EPERM/ENOSPC with words and the way out when user namespaces are
// forbidden. Precondition: the process has one thread.
Result<int> run_in_holder(const HolderPlan& plan, const std::function<int()>& body);

}  // namespace acetate::sandbox
