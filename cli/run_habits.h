// Options of docker's and podman's run that a command in the foreground, without a daemon, has no use for: those that change nothing for it are taken, for the
// scripts that give them, and those that would are refused in one line that says what to do instead.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/result.h"

namespace CLI {
class App;
}

namespace acetate::cli {

struct RunHabits {
  struct Taken {
    std::string option;              // by its first name
    std::vector<std::string> words;  // the values that change nothing; any when there are none
    std::string instead;             // of another
    std::vector<std::string> values = {};
  };
  std::vector<Taken> taken = {};
  struct Refused {
    std::string option, instead;
    std::vector<std::string> values = {};
    bool asked = false;  // of one without a value
  };
  std::vector<Refused> refused = {};
  bool trusts = true, no_healthcheck = false, passwd = true, sig_proxy = true;
};

// Adds the options; what is given is in the answer once the command line has been read.
std::shared_ptr<RunHabits> add_run_habits(CLI::App& app);

// ENOTSUP with words.
Result<void> check(const RunHabits& habits);

}  // namespace acetate::cli
