// Yes and no as people write them for docker: what Go's strconv.ParseBool takes.
#pragma once

#include <optional>
#include <string_view>

namespace acetate::dockerfile {

// Nothing for anything else, the empty text too.
constexpr std::optional<bool> parse_bool(std::string_view text) {
  for (const std::string_view yes : {"1", "t", "T", "TRUE", "true", "True"})
    if (text == yes) return true;
  for (const std::string_view no : {"0", "f", "F", "FALSE", "false", "False"})
    if (text == no) return false;
  return std::nullopt;
}

}  // namespace acetate::dockerfile
