#pragma once

#include <string>

#include "base/result.h"

namespace acetate::sandbox {

// Makes the directory that a container's writes go to, and its parents, with the mode 0755 whatever our umask is: its mode
// is that of the container's root, which the container's users must be able to enter. One that is there stays as it is.
Result<void> make_upper_dir(const std::string& path);

}  // namespace acetate::sandbox
