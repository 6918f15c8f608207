// What this system can do for us, found out by really doing it once.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "cli/paths.h"

namespace acetate::cli {

struct Check {
  enum class State { good, degraded, bad } state;
  std::string name;
  std::string found;     // what is there
  std::string fix = {};  // what to do, where something is to be done
};

// Everything, in the order in which one thing needs another. Leaves nothing behind.
std::vector<Check> examine(const Paths& paths);

}  // namespace acetate::cli
