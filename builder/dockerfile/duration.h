// Durations as HEALTHCHECK writes them: "1h2m3.5s", "100ms".
#pragma once

#include <chrono>
#include <optional>
#include <string_view>

namespace acetate::dockerfile {

// Nothing for what is no duration. A bare "0" is one, other numbers need a unit (ns us ms s m h).
std::optional<std::chrono::nanoseconds> parse_duration(std::string_view text);

}  // namespace acetate::dockerfile
