// How a RUN is carried out: layers in, exit code and upper directory out. The sandbox is one way; tests have
// another, which needs no container.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "base/sys/process.h"
#include "builder/sandbox/holder.h"
#include "builder/sandbox/kernel_overlay.h"
#include "builder/step.h"
#include "layers/access_log.h"
#include "layers/dir_layer.h"

namespace acetate::build {

// Gets what the process writes, as it comes. Called from another thread than run()'s.
using OutputSink = std::function<void(std::string_view bytes)>;

// A mount of a step with everything it stands for at hand.
struct ReadyMount {
  dockerfile::Mount is;
  std::vector<std::string> lowers = {};  // bind, or what a cache begins with: lowerdir elements, top first
  std::string dir = {};                  // cache: where its files are
  bool dir_is_new = false;               // and whether owner and mode are still to be set
  std::string value = {};                // secret
  std::string socket = {};               // ssh: where the agent listens
};

struct RunOutcome {
  sys::Exit exit;
  Fd upper;                        // what the process wrote, in any dialect; complete
  WhiteoutFiles whiteout_files = WhiteoutFiles::marks;  // in it
  std::shared_ptr<void> keeps = {};  // whatever the upper lives in
  std::optional<AccessedPaths> accessed = {};  // what of the layers it looked at, where that was asked for and is known in full
};

class Runner {
 public:
  virtual ~Runner() = default;
  // `lowers` are lowerdir elements, top first. An exit code is a result; an error is ours or the system's. May be
  // called from several threads at once.
  virtual Result<RunOutcome> run(const RunStep& step, const std::vector<std::string>& lowers,
                                 const std::vector<ReadyMount>& mounts, bool log_accesses, const OutputSink& output) = 0;
  // Ends what runs now, and at once whatever is begun after it: nobody waits for it any more. From any thread.
  virtual void end_all() {}
  // What of the runner decides what a process sees, for cache keys.
  virtual std::string kind() const = 0;
};

// Mounts the layers with our daemon and hands the process to an OCI runtime. Works inside the holder only.
// `scratch_base`: where uppers are kept while a step runs. `upper`: who keeps them; the layers are the same. With `either` it is the kernel
// where that works and comes to the same: our daemon for steps that are recorded or have every capability, and where there is one id only.
std::unique_ptr<Runner> make_sandbox_runner(std::string scratch_base, sandbox::IdMode ids, sandbox::UpperKind upper);

// Where nothing can be run: each step that is not in the cache ends with `why`. Its steps are found there by the keys of a runner of
// that kind.
std::unique_ptr<Runner> make_unable_runner(std::string kind, Error why);

}  // namespace acetate::build
