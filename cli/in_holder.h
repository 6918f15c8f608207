// Running the rest of a command in the holder, where files of other ids can be read and removed.
#pragma once

#include <functional>

#include "base/result.h"
#include "builder/sandbox/holder.h"
#include "cli/command.h"

namespace acetate::cli {

// The holder is a process of its own, which ends without the destructors of ours: it says what went wrong itself, empties
// its streams, and ends with `failure`.
Result<int> in_holder(const Context& context, int failure, const std::function<Result<int>(const sandbox::HolderPlan&)>& body, bool own_pids = true);

// The same for what needs no mount, and gets by without the files of other ids: where no holder can be had, in this process.
Result<int> in_holder_or_here(const Context& context, int failure, const std::function<Result<int>(const sandbox::HolderPlan&)>& body);

}  // namespace acetate::cli
