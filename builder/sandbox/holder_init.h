// The first process of a holder: sets the namespaces up, starts the body, reaps, and says how it ended.
//
// It is pid 1 of the holder's pid namespace, so when it ends, for whatever reason, the kernel ends everything
// in the holder, and with the last of it the mounts. Where there is no such namespace it does that itself (offspring.h), for every reason but
// that it is killed.
#pragma once

#include <functional>

#include "base/fd.h"
#include "builder/sandbox/signals.h"

namespace acetate::sandbox {

// Where making a holder stopped; what the parent is told in one write.
enum class HolderStage : int { clone, maps, mounts, proc, body };
struct HolderFailure {
  HolderStage stage;
  int code;
};

// The pipe ends the child works with; the body has neither.
struct HolderPipes {
  Fd go;      // one byte when the id maps are written; EOF when the parent is gone, then or later
  Fd failed;  // a HolderFailure, or EOF when the body has started
};

// Never returns. `signals` are held by the process already. `own_pids`: it is pid 1 and mounts its own /proc.
[[noreturn]] void be_holder(HolderPipes pipes, HeldSignals& signals, bool own_pids,
                            const std::function<int()>& body);

}  // namespace acetate::sandbox
