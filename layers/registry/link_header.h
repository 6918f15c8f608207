// Link (RFC 8288): where the next page of a list is.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace acetate::registry {

// The target with rel="next", as it stands there (it may be relative). Pure.
std::optional<std::string> next_page(const std::vector<std::string>& headers);

}  // namespace acetate::registry
