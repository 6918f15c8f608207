// Standard input, output and error, of which whoever starts a program may have closed some (`2>&-`, a badly written daemon).
#pragma once

#include "base/result.h"

namespace acetate::sys {

// Opens /dev/null in the place of each that is closed, so that no file of ours gets one of these numbers and is read as input, or written what
// we have to say. The first thing that a program does, while it has one thread. Where there is no /dev/null, something that can be neither
// read nor written takes its place.
Result<void> fill_standard_descriptors() noexcept;

}  // namespace acetate::sys
