// "U" of a mount: a directory of ours becomes the container's user's before it starts, as podman has it.
#pragma once

#include <sys/types.h>

#include <string>

#include "base/result.h"

namespace acetate::cli {

// Everything at `path` and below, what is mounted there too, belongs to these afterwards; symlinks themselves do, and are not followed,
// whoever changes what meanwhile. What is theirs already is not touched. EINVAL for places that the machine lives by. Ended half way (EPERM: a file
// whose owner has no id here) some are, and others not yet. Errors are in words.
Result<void> give_tree(const std::string& path, uid_t uid, gid_t gid);

}  // namespace acetate::cli
