// What a person reads of a command that failed.
#pragma once

#include "base/result.h"
#include "cli/app.h"

namespace acetate::cli {

// "acetate: …" on streams.err, and a line with the way out where the cause is that nothing can be kept anywhere.
void tell_failure(const Streams& streams, const Error& error);

}  // namespace acetate::cli
