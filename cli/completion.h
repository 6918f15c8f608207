// Completion scripts for shells, out of the command table: what --help says is what is completed.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "cli/described_command.h"

namespace acetate::cli {

// "bash", "zsh" or "fish"; EINVAL with words for others. Pure.
Result<std::string> completion_script(const std::string& shell, const std::vector<DescribedCommand>& commands);

}  // namespace acetate::cli
