// A stage planned: instructions in, steps out.
//
// Possible without running anything, because what a variable holds depends only on the base image's
// configuration and on the instructions before.
#pragma once

#include <vector>

#include "base/result.h"
#include "builder/step.h"
#include "builder/variables.h"

namespace acetate::build {

struct PlannedStage {
  std::vector<Step> steps;
  StageArgs args;        // what a stage built FROM this one inherits
  image::Config config;  // at the end
};

struct PlanOptions {
  bool network = true;          // what RUN gets that does not say
  bool allow_insecure = false;  // --allow security.insecure
  std::vector<std::string> devices = {};  // --allow device=NAME; "" allows every one
  Strings contexts = {};        // --build-context
  std::vector<std::string> hosts = {};      // --add-host, --shm-size and --ulimit: see RunStep
  std::uint64_t shm_size = 0;
  std::vector<sandbox::Limit> limits = {};
  RunBesides besides = {};
};

// `base` is the configuration of what FROM names; its ONBUILD triggers are planned first and cleared. Mistakes are
// EINVAL with line and caret.
Result<PlannedStage> plan_stage(const dockerfile::Dockerfile& file, std::size_t stage, image::Config base,
                                StageArgs args, const PlanOptions& options);

}  // namespace acetate::build
