// A step about to be done: what it depends on, and the doing. One kind for each step that can make a layer.
#pragma once

#include <functional>
#include <memory>

#include "base/result.h"
#include "builder/cache.h"
#include "builder/cache_key.h"
#include "builder/cache_mount.h"
#include "builder/clock.h"
#include "builder/runner.h"
#include "builder/stage_state.h"
#include "builder/step.h"
#include "builder/variables.h"

namespace acetate::build {

class Job {
 public:
  virtual ~Job() = default;
  // Everything the result depends on. Called once, before run().
  virtual Result<KeyInputs> inputs() = 0;
  // The same without the clock, and with no more of the layers below than the step really looks at: asked when inputs() are not known, and put
  // on record beside them, so that a change below which does not concern the step does not make it anew. Nothing where
  // that cannot be told before the step has run.
  virtual Result<std::optional<KeyInputs>> narrow_inputs() { return std::optional<KeyInputs>(); }
  // What another key than inputs() gives, and why it does, in words.
  struct Hit {
    Record record;
    std::string why;
    Digest key;
    bool by_reads = false;  // what the step looked at is the same, and the rest was not compared
  };
  struct Answer {
    std::optional<Hit> hit = {};  // nothing: no key gives anything
    bool outdated = false;        // one gave what cannot stand where the step is: what run() makes is kept in its place
  };
  // Of further keys than those two. Asked after both.
  virtual Result<Answer> find_otherwise() { return Answer(); }
  // Whether it puts files among those of the image that the stage began with: who compares their times must not find them older than that.
  virtual Result<bool> lands_on_base() { return false; }
  // Why it gives nothing, where there is more to say than that the first key is not known; else "".
  virtual std::string why_not() const { return {}; }

  // For who asks for explanations: what would have to change for the step to be found, in words; "" where nothing is known to. Asked
  // after find_otherwise() gave nothing.
  virtual Result<std::string> way_out() { return std::string(); }
  // What it reads, in words, this time or, where it was found, when it ran last; "" where that is not known. Asked last.
  virtual Result<std::string> what_it_reads() { return std::string(); }

  // `anew`: the cache is not to be believed for this step, so what it knows of it is worth nothing.
  virtual Result<Record> run(const OutputSink& output, bool anew) = 0;
  // Whether what run() made is right for no other SOURCE_DATE_EPOCH than this build's, so that only inputs() may find it. Asked after it.
  virtual bool is_of_its_epoch() const { return false; }
  // Further keys under which the result of run() is to be found. Asked after it.
  virtual Result<std::vector<KeyInputs>> further_keys() { return std::vector<KeyInputs>(); }
};

// When a RUN is taken from the cache because nothing that it looked at has changed. What it gets over the network is no
// file of the layers below, so the cache believes that without being asked of steps without one only.
enum class TraceRule { without_network, always, never, verify };

// What jobs work with. Outlives them.
struct Workshop {
  Cache& cache;
  LayerOpener& layers;
  Runner& runner;
  TimeRule times;
  std::string build_dir = {};  // where cache mounts are
  Strings secrets = {};        // --secret: what each id holds
  Strings agents = {};         // --ssh: where the agent of each id listens
  TraceRule trace = TraceRule::without_network;
  bool explain = false;        // what a RUN looks at is noted also where the cache does not go by it
  // A build that does everything anew begins with empty cache mounts, as BuildKit's does; what its own steps leave in them for later
  // ones stays.
  MountIds emptied = {};
  MountIds made = {};    // keys without a clock whose records are this build's own
  MountIds filled = {};  // those that steps of this build had, and that hold nothing but what was put there
};

// What a mount of a RUN shows, when it is files: found by whoever knows stages, images and the context.
struct MountSource {
  std::vector<std::string> lowers;  // lowerdir elements, top first
  std::string source;               // the path to show in them
  std::string identity;             // the same for the same files, for cache keys
};
using FindMountSource = std::function<Result<MountSource>(const RunStep::Mount&)>;

// Where a COPY copies from.
struct CopyOrigin {
  LayerPtr tree;
  bool is_context = false;
  std::string context_dir = {};  // of the context, for tarballs to be unpacked
};

std::unique_ptr<Job> make_run_job(const RunStep& step, FindMountSource find, const StageState& before, Workshop& shop);
class CopyJob : public Job {
 public:
  // The times of all that is copied, to the nanosecond: no key of the step's has them. After inputs().
  virtual Digest times() const = 0;
};
std::unique_ptr<CopyJob> make_copy_job(const CopyStep& step, CopyOrigin origin, const StageState& before, Workshop& shop);
std::unique_ptr<Job> make_workdir_job(const WorkdirStep& step, const StageState& before, Workshop& shop);

// Writes a planned delta as a layer; one without operations is no layer.
class DeltaPlan;
Result<Record> write_plan(const DeltaPlan& plan, const StepClock& clock, std::int64_t clock_before, Workshop& shop);

// The name of the input that says what is below a step.
inline constexpr std::string_view kLayersBelow = "the layers below";

// The inputs every step has: what is below it, and how times are written. Added last, because a reader wants to
// be told of anything else first.
void add_common_inputs(KeyInputs& inputs, const StageState& before, const Workshop& shop);
// The same without what is below and without its clock: what is found by such a key stands where it does as builder/placed_record.h says.
void add_platform_inputs(KeyInputs& inputs, const StageState& before, const Workshop& shop);
// The same for narrow_inputs(), where what was looked at stands for what is below.
class RecordingView;
void add_narrow_inputs(KeyInputs& inputs, const StageState& before, const Workshop& shop, const RecordingView& below);

}  // namespace acetate::build
