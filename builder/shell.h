// The shell that the shell form of RUN, CMD and ENTRYPOINT goes through.
#pragma once

#include <string>
#include <vector>

#include "layers/image/image.h"

namespace acetate::build {

// What SHELL said, here or in a base; else "/bin/sh -c", and "cmd /S /C" in an image for Windows.
std::vector<std::string> shell_of(const image::Config& config);

}  // namespace acetate::build
