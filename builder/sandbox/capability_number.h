// The kernel's names and numbers of capabilities (linux/capability.h).
#pragma once

#include <span>
#include <string_view>

namespace acetate::sandbox {

// Of each number its name, "CAP_CHOWN" at 0.
std::span<const std::string_view> capability_names() noexcept;

// "CAP_CHOWN" -> 0; -1 for what is none.
int capability_number(std::string_view name) noexcept;

}  // namespace acetate::sandbox
