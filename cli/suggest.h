// "Did you mean": the nearest of some known words.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace acetate::cli {

// How many letters must be inserted, dropped, changed or swapped with their neighbour to get from one to the
// other.
std::size_t edit_distance(std::string_view a, std::string_view b);

// The word of `known` that `typed` most likely stands for: one that begins with it (two letters at least),
// else the nearest within a third of its length. "" when none is near enough. The earlier wins among equals.
std::string_view nearest_word(std::string_view typed, const std::vector<std::string_view>& known);

}  // namespace acetate::cli
