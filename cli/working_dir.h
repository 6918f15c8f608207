// Where we stand.
#pragma once

#include <string>

namespace acetate::cli {

// Empty where that directory is gone.
std::string working_dir();

}  // namespace acetate::cli
