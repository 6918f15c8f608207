// Carries a graph out: stage by stage, step by step, each from the cache where its key is known.
#pragma once

#include <map>
#include <string>

#include "base/result.h"
#include "builder/base_image.h"
#include "builder/graph.h"
#include "builder/job.h"
#include "builder/plan.h"
#include "builder/progress.h"

namespace acetate::build {

struct ExecutorOptions {
  PlanOptions plan = {};
  Strings build_args = {};
  std::string context_dir;
  std::string place_prefix;  // tells this Dockerfile's steps from others', for --explain
  bool no_cache = false;     // reads no records; writes them all the same
  bool explain = false;
};

class Executor {
 public:
  Executor(const dockerfile::Dockerfile& file, const Graph& graph, const GlobalScope& scope, LayerPtr context,
           BaseImages& bases, Workshop& shop, Progress& progress, const ExecutorOptions& options);

  // The target, built. The words of an error name the step, its line, what stands there and what went wrong.
  Result<const StageState*> run();

 private:
  struct Built {
    StageState state;
    StageArgs args;
  };
  Result<const Built*> stage(std::size_t number);
  Result<Built> build_stage(std::size_t number);
  Result<Built> base_of(std::size_t number);
  Result<void> do_step(StageState& state, const Step& step, std::size_t stage, std::size_t index, const std::string& label);
  Result<Record> result_of(Job& job, int shown, const std::string& place);
  Result<std::unique_ptr<Job>> job_for(const Step& step, const StageState& before);
  Result<CopyOrigin> origin_of(const CopyStep& step);
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
  std::map<std::size_t, Built> built_;
};

}  // namespace acetate::build
