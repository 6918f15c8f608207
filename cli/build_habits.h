// Options of docker's and podman's build commands for which ours has another way, or none: those that change nothing are taken, for the scripts that give
// them, and the others are refused in one line that says what to do instead.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/result.h"

namespace CLI {
class App;
}

namespace acetate::cli {

struct BuildHabits {
  bool layers = true, rm = true, force_rm = false, compress = false, rewrite_timestamp = false, skip_unused_stages = true;
  bool disable_compression = false, disable_content_trust = false, identity_label = false;
  std::string isolation, cache_ttl, sbom;
  std::vector<std::string> security;
  struct Refused {
    std::string option, instead;
    std::vector<std::string> values = {};
  };
  std::vector<Refused> refused = {};
};

// Adds the options; what is given is in the answer once the command line has been read.
std::shared_ptr<BuildHabits> add_build_habits(CLI::App& app);

// EINVAL and ENOTSUP with words.
Result<void> check(const BuildHabits& habits);

}  // namespace acetate::cli
