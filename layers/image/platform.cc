#include "layers/image/platform.h"

#include <sys/utsname.h>

#include <algorithm>

#include "base/number.h"

namespace acetate::image {

namespace {

struct Alias {
  std::string_view name;
  std::string_view architecture;
  std::string_view variant;
};

// What uname(2) and people say, as GOARCH says it.
constexpr Alias kAliases[] = {
    {"x86_64", "amd64", ""}, {"x86-64", "amd64", ""}, {"aarch64", "arm64", ""},
    {"armv8l", "arm", "v7"}, {"armv7l", "arm", "v7"}, {"armhf", "arm", "v7"},
    {"armv6l", "arm", "v6"}, {"armel", "arm", "v6"},  {"i386", "386", ""},
    {"i686", "386", ""},     {"i586", "386", ""},     {"loongarch64", "loong64", ""},
    {"arm", "arm", "v7"},  // as containerd means it
};

Platform canonical(Platform platform) {
  for (const auto& alias : kAliases) {
    if (platform.architecture != alias.name) continue;
    platform.architecture = alias.architecture;
    if (platform.variant.empty()) platform.variant = alias.variant;
  }
  return platform;
}

// The number in "v7"; the variant an architecture has when it names none.
std::optional<int> level(const Platform& platform) {
  std::string_view text = platform.variant;
  if (text.empty()) {
    if (platform.architecture == "arm64") return 8;
    if (platform.architecture == "arm") return 7;
    return 1;
  }
  if (text.starts_with('v')) text.remove_prefix(1);
  return number_of<int>(text);
}

// Of "10.0.20348.1006" what images must have in common to run on one another's system: "10.0.20348".
std::string_view build_of(std::string_view version) {
  std::size_t end = 0;
  for (int dots = 0; end < version.size() && (version[end] != '.' || ++dots < 3);) ++end;
  return version.substr(0, end);
}

std::optional<int> version_rank(std::string_view wanted, std::string_view there) {
  if (wanted.empty() || wanted == there) return 0;
  return there.empty() || build_of(wanted) == build_of(there) ? std::optional(100) : std::nullopt;
}

constexpr std::string_view kOfAComponent = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ._-";

bool is_component(std::string_view part) { return !part.empty() && part.find_first_not_of(kOfAComponent) == std::string_view::npos; }

// "windows(10.0.20348)" as the system and its version; false where it is neither that nor a plain name.
bool split_system(std::string& os, std::string& version) {
  const std::size_t open = os.find('(');
  if (open == std::string::npos) return os.find(')') == std::string::npos;
  if (open == 0 || os.back() != ')') return false;
  version = os.substr(open + 1, os.size() - open - 2);
  os.resize(open);
  return version.find_first_not_of(kOfAComponent) == std::string::npos;
}

}  // namespace

Platform host_platform() {
  struct utsname name {};
  if (::uname(&name) != 0)
    return {.os = "linux", .architecture = "amd64"};  // it fails for a bad pointer only
  return canonical({.os = "linux", .architecture = name.machine});
}

Result<Platform> parse_platform(std::string_view text) {
  std::vector<std::string> parts;
  for (std::size_t at = 0; at <= text.size();) {
    const auto slash = std::min(text.find('/', at), text.size());
    parts.emplace_back(text.substr(at, slash - at));
    at = slash + 1;
  }
  std::string version;
  const bool no_system = parts.size() > 1 && !split_system(parts[0], version);
  const auto wrong = std::ranges::find_if_not(parts, is_component);
  // In the words of containerd, which docker build repeats.
  if (wrong != parts.end() && !no_system)
    return fail(EINVAL, R"("{}" is an invalid component of "{}": platform specifier component must match "^[A-Za-z0-9_.-]+$": invalid argument)", *wrong, text);
  if (no_system || parts.size() > 3)
    return fail(EINVAL, "\"{}\" is not a platform; say OS/ARCHITECTURE[/VARIANT], like linux/arm64", text);
  if (parts.size() == 1) parts.insert(parts.begin(), "linux");
  Platform platform{.os = parts[0], .architecture = parts[1]};
  if (parts.size() == 3) platform.variant = parts[2];
  platform.os_version = std::move(version);
  return canonical(std::move(platform));
}

Result<Platform> wanted_platform(std::string_view typed) { return typed.empty() ? host_platform() : parse_platform(typed); }

std::string format_platform(const Platform& platform) {
  auto text = platform.os;
  if (!platform.os_version.empty()) text += "(" + platform.os_version + ")";
  text += "/" + platform.architecture;
  if (!platform.variant.empty()) text += "/" + platform.variant;
  return text;
}

std::optional<int> platform_rank(const Platform& want_as_said, const Platform& have_as_said) {
  const Platform want = canonical(want_as_said), have = canonical(have_as_said);
  if (want.os != have.os || want.architecture != have.architecture) return std::nullopt;
  const auto version = version_rank(want.os_version, have.os_version);
  if (!version) return std::nullopt;
  const auto wanted = level(want), there = level(have);
  if (!wanted || !there) return want.variant == have.variant ? version : std::nullopt;
  if (*there > *wanted) return std::nullopt;
  return *version + *wanted - *there;
}

}  // namespace acetate::image
