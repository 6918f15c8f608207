// Completion scripts for shells, out of the command table: what --help says is what is completed.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"

namespace acetate::cli {

struct CompletionOption {
  std::vector<std::string> names;  // "-v", "--volume"
  std::string help;
  bool takes_value = false;
  std::vector<std::string> values = {};  // where only these are allowed
};
struct CompletionCommand {
  std::vector<std::string> names;  // the name and its aliases
  std::string help;
  std::vector<CompletionOption> options;
};

// Every command of commands(), asked of its own parser.
std::vector<CompletionCommand> completion_model();

// "bash", "zsh" or "fish"; EINVAL with words for others. Pure.
Result<std::string> completion_script(const std::string& shell, const std::vector<CompletionCommand>& commands);

}  // namespace acetate::cli
