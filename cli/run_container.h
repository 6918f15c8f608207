// A container from what was typed to its exit code: image, holder, root file system, mounts, launch.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "cli/command.h"
#include "cli/run_options.h"

namespace acetate::cli {

// `typed`: the words behind the options (see split_run_words). The exit code is the command's; 126 and 127 as docker's
// and podman's; an error is ours.
Result<int> run_container(RunOptions options, std::vector<std::string> typed, const Context& context);

// Our own error in `run` and its relatives, as podman and docker have it.
inline constexpr int kOurFault = 125;

}  // namespace acetate::cli
