#include "cli/run_devices.h"

#include <charconv>
#include <optional>
#include <sstream>

#include "builder/dockerfile/csv.h"

namespace acetate::cli {

namespace {

bool is_access(std::string_view text) { return !text.empty() && text.find_first_not_of("rwm") == std::string_view::npos; }

std::optional<std::int64_t> number(std::string_view text) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < 0) return std::nullopt;
  return value;
}

}  // namespace

bool is_cdi_device(const std::string& text) { return !text.starts_with('/') && text.find('/') != std::string::npos && text.find('=') != std::string::npos; }

Result<sandbox::Device> parse_device(const std::string& text) {
  if (!text.starts_with('/')) return fail(EINVAL, "--device {}: neither a path nor VENDOR/CLASS=NAME", text);
  std::vector<std::string> parts;
  std::istringstream rest(text);
  for (std::string part; std::getline(rest, part, ':');) parts.push_back(part);
  sandbox::Device device{.source = parts[0], .target = parts[0]};
  if (parts.size() > 3) return fail(EINVAL, "--device {}: should be SOURCE[:TARGET[:rwm]]", text);
  for (std::size_t i = 1; i < parts.size(); ++i) {
    if (is_access(parts[i])) device.access = parts[i];
    else if (i == 1 && parts[i].starts_with('/')) device.target = parts[i];
    else return fail(EINVAL, "--device {}: should be SOURCE[:TARGET[:rwm]]", text);
  }
  return device;
}

Result<std::vector<std::string>> parse_gpus(const std::string& text) {
  constexpr std::int64_t kMost = 1024;
  std::vector<std::string> names;
  std::optional<std::int64_t> count;
  const auto wrong = [&] { return fail(EINVAL, "--gpus {}: should be all, a number, or device=0,1; other devices are --device VENDOR/CLASS=NAME", text); };
  // "device=0,1" is one field where it is quoted, and else two; docker's shell examples have both.
  bool naming = false;
  for (const std::string& field : TRY_WITHIN(dockerfile::split_csv(text), "--gpus {}", text)) {
    const std::size_t equals = field.find('=');
    const std::string key = field.substr(0, equals), value = equals == std::string::npos ? "" : field.substr(equals + 1);
    if (equals == std::string::npos && naming) {
      names.push_back(field);
      continue;
    }
    naming = key == "device";
    if (naming) {
      std::istringstream rest(value);
      for (std::string one; std::getline(rest, one, ',');) names.push_back(one);
    } else if (field == "all" || field == "count=all" || field == "-1" || field == "count=-1") {
      names.emplace_back("all");
    } else if (key == "count" || equals == std::string::npos) {
      count = number(key == "count" ? value : field);
      if (!count || *count > kMost) return wrong();
    } else if (key != "capabilities" && !(key == "driver" && value == "nvidia")) {
      return wrong();
    }
  }
  for (std::int64_t n = 0; n < count.value_or(0); ++n) names.push_back(std::to_string(n));
  if (names.empty()) return wrong();
  for (std::string& name : names) name.insert(0, "nvidia.com/gpu=");
  return names;
}

Result<sandbox::DeviceRule> parse_device_rule(const std::string& text) {
  const auto wrong = [&] { return fail(EINVAL, "--device-cgroup-rule '{}': should be TYPE MAJOR:MINOR rwm (c 189:* rmw)", text); };
  std::istringstream words(text);
  std::string type, numbers, access, more;
  if (!(words >> type >> numbers >> access) || words >> more || type.size() != 1 || std::string_view("abc").find(type) == std::string_view::npos || !is_access(access) || access.size() > 3) return wrong();
  const std::size_t colon = numbers.find(':');
  if (colon == std::string::npos) return wrong();
  sandbox::DeviceRule rule{.type = type[0], .major = {}, .minor = {}, .access = access};
  const auto take = [](std::string_view word, std::optional<std::int64_t>& into) { return word == "*" || (into = number(word)).has_value(); };
  if (!take(std::string_view(numbers).substr(0, colon), rule.major) || !take(std::string_view(numbers).substr(colon + 1), rule.minor)) return wrong();
  return rule;
}

}  // namespace acetate::cli
