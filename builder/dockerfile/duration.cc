#include "builder/dockerfile/duration.h"

#include <cmath>
#include <string>

namespace acetate::dockerfile {

std::optional<std::chrono::nanoseconds> parse_duration(std::string_view text) {
  struct Unit {
    std::string_view name;
    double nanoseconds;
  };
  // The longer name first where one begins with the other.
  static constexpr Unit kUnits[] = {{"ns", 1},    {"us", 1e3}, {"\xc2\xb5s", 1e3}, {"ms", 1e6},
                                    {"s", 1e9},   {"m", 60e9}, {"h", 3600e9}};
  bool negative = false;
  if (text.starts_with('-') || text.starts_with('+')) {
    negative = text[0] == '-';
    text.remove_prefix(1);
  }
  if (text == "0") return std::chrono::nanoseconds(0);
  if (text.empty()) return std::nullopt;
  double total = 0;
  while (!text.empty()) {
    const std::size_t length = std::min(text.find_first_not_of("0123456789."), text.size());
    const std::string digits(text.substr(0, length));
    if (digits.empty() || digits == "." || digits.find('.') != digits.rfind('.')) return std::nullopt;
    text.remove_prefix(length);
    const Unit* unit = nullptr;
    for (const Unit& candidate : kUnits)
      if (unit == nullptr && text.starts_with(candidate.name)) unit = &candidate;
    if (unit == nullptr) return std::nullopt;
    text.remove_prefix(unit->name.size());
    total += std::strtod(digits.c_str(), nullptr) * unit->nanoseconds;
  }
  if (total > 9.2e18) return std::nullopt;
  return std::chrono::nanoseconds(std::llround(negative ? -total : total));
}

}  // namespace acetate::dockerfile
