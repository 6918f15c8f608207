// Which runtime was found to work, remembered from one command to the next.
#pragma once

#include <optional>
#include <string>

#include "builder/sandbox/runtime.h"

namespace acetate::sandbox {

// Everything the finding depends on, as text: this boot, our ids, whether /proc is ours whole, which programs there are
// and when they were changed, ACETATE_RUNTIME.
Result<std::string> describe_conditions();

// Nothing when it was found under other conditions, or was never found.
std::optional<Runtime> recall_runtime(const std::string& file, const std::string& conditions);
// Best effort: without it the next command finds it out again.
void remember_runtime(const std::string& file, const std::string& conditions, const Runtime& runtime);

}  // namespace acetate::sandbox
