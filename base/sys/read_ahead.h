// A hint to the kernel that bytes of a file will be wanted.
#pragma once

#include <cstdint>

#include "base/fd.h"

namespace acetate::sys {

// Asks for the first `length` bytes and does not wait for them (readahead(2), which reads no more at a time than the file system's
// window). Nothing is promised, so nothing is told: a file that cannot be read ahead is read when it is read.
void read_ahead(FdRef file, std::uint64_t length) noexcept;

}  // namespace acetate::sys
