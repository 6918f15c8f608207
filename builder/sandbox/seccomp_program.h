// A system call filter as the runtime-spec describes it, compiled by libseccomp into what the kernel takes.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "base/result.h"

namespace acetate::sandbox {

// The bytes of an array of sock_filter. Names that this libseccomp does not know are no calls here and left out. EINVAL
// with words for an action or a comparison that is none. Compiling takes a millisecond or two: the last program is remembered, for who
// asks again for the same (its "listenerPath" is nothing to the kernel). Thread-safe.
Result<std::string> seccomp_program(const nlohmann::ordered_json& filter);

}  // namespace acetate::sandbox
