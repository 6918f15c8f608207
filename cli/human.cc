#include "cli/human.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <cmath>
#include <optional>
#include <utility>

namespace acetate::cli {

namespace {

// The number at the beginning, which is taken off.
std::optional<double> take_number(std::string_view& text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, std::chars_format::fixed);
  if (error != std::errc() || value < 0 || !std::isfinite(value)) return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return value;
}

}  // namespace

std::string human_size(std::uint64_t bytes) {
  constexpr std::array<const char*, 6> units{"B", "kB", "MB", "GB", "TB", "PB"};
  auto value = static_cast<double>(bytes);
  std::size_t unit = 0;
  while (value >= 1000 && unit + 1 < units.size()) {
    value /= 1000;
    ++unit;
  }
  return fmt::format("{:.4g}{}", std::stod(fmt::format("{:.3g}", value)), units[unit]);
}

namespace {

// `kilo`: what a unit without an i is a power of. Nothing for what is no amount; more than there can be is infinite.
std::optional<double> parse_amount(std::string_view text, double kilo) {
  const auto number = take_number(text);
  std::string unit;
  for (const char c : text)
    if (c != ' ') unit += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  if (unit.ends_with('b')) unit.pop_back();
  const bool binary = unit.ends_with('i');
  if (binary) unit.pop_back();
  const auto power = std::string_view("kmgtp").find(unit.empty() ? ' ' : unit[0]);
  if (!number || unit.size() > 1 || (power == std::string_view::npos && (!unit.empty() || binary))) return std::nullopt;
  return *number * (unit.empty() ? 1 : std::pow(binary ? 1024 : kilo, static_cast<double>(power + 1)));
}

constexpr double kMostBytes = 9e18;

}  // namespace

Result<std::uint64_t> parse_size(std::string_view text) {
  const auto bytes = parse_amount(text, 1000);
  if (!bytes) return fail(EINVAL, "\"{}\" is not a size; say a number and B, KB, MB, GB, TB or KiB, MiB, GiB, TiB", text);
  if (*bytes > kMostBytes) return fail(EINVAL, "\"{}\" is more than there can be", text);
  return static_cast<std::uint64_t>(*bytes);
}

Result<std::uint64_t> parse_memory(std::string_view text, std::string_view option) {
  const auto bytes = parse_amount(text, 1024);
  if (!bytes || *bytes > kMostBytes) return fail(EINVAL, "{} wants a size such as 64m or 1g, not \"{}\"", option, text);
  return static_cast<std::uint64_t>(*bytes);
}

std::string human_duration(std::time_t seconds) {
  const auto minutes = seconds / 60, hours = (seconds + 1800) / 3600, days = hours / 24;
  if (seconds < 1) return "Less than a second";
  if (seconds == 1) return "1 second";
  if (seconds < 60) return fmt::format("{} seconds", seconds);
  if (minutes == 1) return "About a minute";
  if (minutes < 60) return fmt::format("{} minutes", minutes);
  if (hours == 1) return "About an hour";
  if (hours < 48) return fmt::format("{} hours", hours);
  if (days < 14) return fmt::format("{} days", days);
  if (days < 60) return fmt::format("{} weeks", days / 7);
  if (days < 730) return fmt::format("{} months", days / 30);
  return fmt::format("{} years", days / 365);
}

Result<std::time_t> parse_duration(std::string_view text) {
  double seconds = 0;
  auto rest = text;
  bool any = false;
  while (!rest.empty()) {
    const auto number = take_number(rest);
    const char unit = rest.empty() ? 's' : rest.front();
    if (!rest.empty()) rest.remove_prefix(1);
    constexpr std::pair<char, double> units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}, {'w', 604800}};
    const auto found = std::ranges::find(units, unit, &std::pair<char, double>::first);
    if (!number || found == std::end(units)) {
      any = false;
      break;
    }
    seconds += *number * found->second;
    any = true;
  }
  if (!any || seconds > 1e11)
    return fail(EINVAL, "\"{}\" is not a length of time; say a number and s, m, h, d or w, like 36h", text);
  return static_cast<std::time_t>(seconds);
}

}  // namespace acetate::cli
