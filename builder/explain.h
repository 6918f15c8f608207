// Words about what a RUN looked at, for who asks why it was done again and how to spare it (--explain).
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "builder/stage_state.h"
#include "layers/access_log.h"

namespace acetate::build {

// Of the paths those that this build's steps have made: what can be moved in the Dockerfile. Files that were opened, and directories
// whose names were listed, with a '/' behind them; the first names first.
Result<std::vector<std::string>> own_paths(const AccessedPaths& paths, const StageState& before, LayerOpener& layers);

// "of what this build's steps have made it read /a, /b/ and 3 more", or that it read nothing of it.
std::string tell_reads(const std::vector<std::string>& own);

// What would have to change for a step whose looks would find the same as last time, and which is done again because nobody knows
// what else it gets from its network.
std::string tell_way_out(const std::vector<std::string>& own);

}  // namespace acetate::build
