// Entries that the maker of a table of contents puts into the tar for itself: the table, and where prefetching ends.
#pragma once

#include <string_view>

namespace acetate {

constexpr bool is_toc_name(std::string_view name) noexcept {
  return name == "stargz.index.json" || name == ".prefetch.landmark" || name == ".no.prefetch.landmark";
}

}  // namespace acetate
