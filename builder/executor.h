// Carries a graph out: stage by stage, step by step, each from the cache where its key is known.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <map>
#include <mutex>
#include <optional>
#include <semaphore>
#include <set>
#include <string>

#include "base/result.h"
#include "builder/base_image.h"
#include "builder/base_wishes.h"
#include "builder/build_report.h"
#include "builder/graph.h"
#include "builder/job.h"
#include "builder/plan.h"
#include "builder/progress.h"

namespace acetate::build {

struct ExecutorOptions {
  PlanOptions plan = {};
  BaseWishes bases = {};
  Strings build_args = {};
  std::string context_dir;
  image::Platform platform = image::host_platform();  // what is built for
  std::string label = {};    // in front of each step's number: which of several platforms
  std::string place_prefix;  // tells this Dockerfile's steps from others', for --explain
  bool no_cache = false;     // reads no records; writes them all the same
  std::set<std::size_t> no_cache_stages = {};  // the same for these
  bool explain = false;
  bool reported = false;     // report() is going to be asked for
  unsigned jobs = 1;         // steps done at the same time, at most; a stage that waits for another does none
};

class Executor {
 public:
  Executor(const dockerfile::Dockerfile& file, const Graph& graph, const GlobalScope& scope, LayerPtr context,
           BaseImages& bases, Workshop& shop, Progress& progress, const ExecutorOptions& options);

  // The first keys of the steps done so far. After run().
  const std::set<Digest>& used_keys() const { return used_keys_; }

  // What was done, also where it failed. After run().
  BuildReport report() const;

  // The target, built. The words of an error name the step, its line, what stands there and what went wrong.
  Result<const StageState*> run();

 private:
  struct Built {
    StageState state;
    StageArgs args;
  };
  // A stage, built by whoever asks first; the others wait for it.
  Result<const Built*> stage(std::size_t number);
  Result<void> build_needed();
  Result<Built> build_stage(std::size_t number);
  Result<Built> base_of(std::size_t number);
  Result<void> do_step(StageState& state, const Step& step, std::size_t stage, std::size_t index, const std::string& label);
  Result<Record> result_of(Job& job, const StageState& before, int shown, const std::string& place, bool no_cache, StepReport& report);
  double seconds() const { return std::chrono::duration<double>(std::chrono::steady_clock::now() - began_).count(); }
  void remember_inputs(const std::string& place, const KeyInputs& inputs, int shown);
  void note_step(std::size_t stage, StepReport report);
  void note_use(const Digest& key);
  std::string why_missed(const Job& job, const KeyInputs& inputs, const std::string& place, bool no_cache, const std::string& changed);
  Result<Job::Answer> find_of_other_base(Job& job, const StageState& before, const Digest& narrow, int shown);
  void tell(int shown, const Result<std::string>& words);
  Result<std::unique_ptr<Job>> job_for(const Step& step, const StageState& before);
  Result<CopyOrigin> origin_of(const CopyStep& step);
  Result<MountSource> mount_source(const RunStep::Mount& mount);
  Result<CopyOrigin> directory_origin(const std::string& dir);
  Result<Built> directory_base(const std::string& dir, const image::Platform& platform);
  // A copy of the part of a context that a mount shows.
  Result<MountSource> snapshot(CopyOrigin origin, const std::string& source);
  void add_layer(StageState& state, const Record& record) const;
  void add_history(StageState& state, const Step& step, bool has_layer) const;
  Error explain_failure(const Step& step, Error error, int shown) const;

  const dockerfile::Dockerfile& file_;
  const Graph& graph_;
  const GlobalScope& scope_;
  LayerPtr context_;
  BaseImages& bases_;
  Workshop& shop_;
  Progress& progress_;
  const ExecutorOptions& options_;

  // One stage: being built while it is neither.
  struct Stage {
    std::optional<Built> built;
    std::optional<Error> failed;
  };
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::size_t, Stage> stages_;  // under mutex_; an entry, once there, stays where it is
  std::size_t next_ = 0;                 // of graph_.needed: the next that nobody took; under mutex_
  std::optional<Error> first_failure_;   // under mutex_
  std::set<Digest> used_keys_;  // under mutex_
  const std::chrono::steady_clock::time_point began_ = std::chrono::steady_clock::now();
  std::map<std::size_t, StageReport> reports_;  // under mutex_
  std::counting_semaphore<> free_jobs_{std::max(1U, options_.jobs)};
  std::atomic<bool> stop_ = false;       // a stage failed: no further step is begun
};

}  // namespace acetate::build
