// Locks on ranges of bytes that belong to the open file and not to the process (F_OFD_SETLK), so that two
// descriptors of one process exclude each other too.
#pragma once

#include <cstdint>

#include "base/fd.h"
#include "base/result.h"

namespace acetate::sys {

// `type`: F_RDLCK, F_WRLCK, F_UNLCK. Never waits: EAGAIN when another open file has a lock that excludes it.
Result<void> lock_range(FdRef fd, int type, std::uint64_t offset, std::uint64_t length);

// Whether another open file has a lock that excludes one of `type` there. Takes nothing.
Result<bool> is_range_locked(FdRef fd, int type, std::uint64_t offset, std::uint64_t length);

}  // namespace acetate::sys
