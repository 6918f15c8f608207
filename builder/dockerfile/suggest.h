// "did you mean": the candidate that is a slip of the finger away from what was typed.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace acetate::dockerfile {

enum class Case { ignored, counts };

// The nearest candidate; "" when none is near enough to be meant.
std::string_view nearest(std::string_view typed, std::span<const std::string_view> candidates, Case letters = Case::ignored);

// " (did you mean X?)", or "".
std::string did_you_mean(std::string_view typed, std::span<const std::string_view> candidates);

}  // namespace acetate::dockerfile
