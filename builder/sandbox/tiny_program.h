// The smallest program there is: an ELF executable that exits with 0, for trying out a container runtime
// without needing anything from an image or from the host.
#pragma once

#include <string>

#include "base/result.h"

namespace acetate::sandbox {

// Its bytes; ENOTSUP on an architecture we have not written it for.
Result<std::string> tiny_program();

}  // namespace acetate::sandbox
