// The kernel's number of a capability (linux/capability.h).
#pragma once

#include <string_view>

namespace acetate::sandbox {

// "CAP_CHOWN" -> 0; -1 for what is none.
int capability_number(std::string_view name) noexcept;

}  // namespace acetate::sandbox
