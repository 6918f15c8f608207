// The command table in words, for what is made from it: completion scripts and manual pages.
#pragma once

#include <string>
#include <vector>

namespace acetate::cli {

struct DescribedOption {
  std::vector<std::string> names;  // "-v", "--volume"
  std::string help;
  bool takes_value = false;
  bool repeatable = false;
  std::string value = {};                // what its value is called: "TEXT"
  std::vector<std::string> values = {};  // where only these are allowed
};
struct DescribedArgument {
  std::string name;  // "IMAGE"
  std::string help;
};
struct DescribedCommand {
  std::vector<std::string> names;  // the name and its aliases
  std::string help;                // one line
  std::string synopsis = {};       // what stands behind the options: "NAME [IMAGE]"
  std::string more = {};           // what --help says at its end
  std::vector<DescribedArgument> arguments = {};
  std::vector<DescribedOption> options = {};
  std::string exit_status = {};  // in sentences
};

// Every command that --help lists, in its order, asked of its own parser.
std::vector<DescribedCommand> described_commands();

}  // namespace acetate::cli
