// The process over a command that has no pid namespace: what the command leaves behind ends with it.
//
// Between whoever starts a command and the command, in the namespaces of the former. Orphans of the command come to it, and
// nothing else does: helpers of the container (networks, daemons of file systems) are started beside it, not below.
#pragma once

#include <sys/types.h>

#include <functional>
#include <string>

#include "base/fd.h"
#include "base/result.h"

namespace acetate::sandbox {

// What it tells, each in one write: first KeeperStarted; then, unless `code` was set, KeeperEnded once nothing is left.
struct KeeperStarted {
  pid_t pid;            // the command's; 0: there is none, and whoever was to become it has told why
  int code;             // an errno: it could not be started
  char words[400];      // and the story of that
};
struct KeeperEnded {
  int code, signal;  // as sys::Exit has them; a signal of 0 is none
};

struct KeeperPipes {
  Fd lifeline;  // its end, when nobody has the other any more, is the order to end everything
  Fd told;
};

// What it is over.
struct KeptCommand {
  // Makes the command a child of the keeper, in which it is called, and returns its pid. 0: it has started nothing and told why elsewhere.
  std::function<Result<pid_t>()> start;
  // Where the command is a runtime: the file in which that tells the container's first process. Empty: the command itself is that.
  // A runtime does not end before everybody has let go of what the container writes to, so it cannot be waited for.
  std::string pid_file = {};
};

// Never returns. In a process made by fork(2) for it. Until the container's first process has ended, signals of whoever started us are handed on to the
// command; then, or when the lifeline ends, everything below is ended (offspring.h). If the keeper is
// killed itself, so is the command, and what that has left goes to whoever adopts above.
[[noreturn]] void be_keeper(KeeperPipes pipes, const KeptCommand& command);

}  // namespace acetate::sandbox
