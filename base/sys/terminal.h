// The terminal somebody sits at.
#pragma once

#include <string>

#include "base/result.h"

namespace acetate::sys {

// Writes the prompt to the process's terminal and reads a line from it that is not shown. ENXIO where there is none.
Result<std::string> read_unseen_line(const std::string& prompt);

}  // namespace acetate::sys
