// What a build did as a page for a browser, in one file that loads nothing: its stages and what they take from one another, and of each
// step when it ran, whether the cache had it and why not, and what its layer holds and wastes.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "base/result.h"
#include "builder/build_report.h"

namespace acetate::cli {

// Of a layer in a stage.
struct LayerWeight {
  std::uint64_t bytes = 0;   // of its files
  std::uint64_t wasted = 0;  // of these, what later layers of the stage replace or remove
};

// By stage, then by the number of the step.
using Weights = std::map<std::size_t, std::map<std::size_t, LayerWeight>>;
Result<Weights> weigh(const build::BuildReport& report, build::LayerOpener& layers);

// Pure. What the Dockerfile says is escaped.
std::string build_page(std::string_view title, const build::BuildReport& report, const Weights& weights);

}  // namespace acetate::cli
