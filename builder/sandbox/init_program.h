// Where the reaper is that becomes pid 1 of a container with --init (builder/sandbox/init/init.cc).
#pragma once

#include <string>

#include "base/result.h"

namespace acetate::sandbox {

// Beside the running program, where it is installed, in a build tree; ENOENT with words.
Result<std::string> find_init_program();

}  // namespace acetate::sandbox
