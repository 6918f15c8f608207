// What a build did, for who wants to look at it afterwards: stages, steps, where each came from and how long it took.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "builder/stage_state.h"

namespace acetate::build {

struct StepReport {
  enum class How { config, cached, ran, failed } how = How::config;
  std::string title;                     // as a person wrote it
  std::string why = {};                  // found by another key than the first, or not found: in words
  double began = 0, seconds = 0;         // since the build began
  std::optional<StageLayer> layer = {};  // what it made
  std::vector<std::size_t> uses = {};    // stages it takes files from
};

struct StageReport {
  std::size_t number = 0;
  std::string name, base;                          // as FROM has it
  std::optional<std::size_t> base_stage = {};
  std::vector<StageLayer> base_layers = {};        // bottom first
  std::vector<StepReport> steps = {};
};

struct BuildReport {
  std::vector<StageReport> stages;  // those that were begun, by number
  double seconds = 0;
};

}  // namespace acetate::build
