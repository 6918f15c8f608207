// Sockets of the internet that a library made and we have a word in.
#pragma once

#include "base/fd.h"
#include "base/result.h"

namespace acetate::sys {

// A port can be listened on again right after whoever had it ended, and not beside it (SO_REUSEADDR).
Result<void> reuse_address(FdRef socket);

}  // namespace acetate::sys
