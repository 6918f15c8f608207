#include "builder/dockerfile/mount.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <cmath>

#include "builder/dockerfile/csv.h"
#include "builder/dockerfile/go_bool.h"
#include "builder/dockerfile/suggest.h"

namespace acetate::dockerfile {

namespace {

using Type = Mount::Type;
using Sharing = Mount::Sharing;

constexpr std::array<std::string_view, 5> kTypes = {"bind", "cache", "tmpfs", "secret", "ssh"};
constexpr std::array<std::string_view, 3> kSharing = {"shared", "private", "locked"};
constexpr std::array<std::string_view, 22> kKeys = {
    "type", "from", "source", "src",  "target", "dst", "destination", "readonly", "ro", "readwrite",
    "rw",   "id",   "sharing", "required", "size", "mode", "uid",         "gid",      "env",     "tmpfs-size", "z", "relabel"};

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return out;
}

// The place of `word` in `list`, or its size.
std::size_t find_in(std::span<const std::string_view> list, std::string_view word) {
  return static_cast<std::size_t>(std::find(list.begin(), list.end(), word) - list.begin());
}

std::optional<unsigned> parse_number(std::string_view text, int base) {
  unsigned value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

class Parser {
 public:
  explicit Parser(const ExpandValue& expand) : expand_(expand) {}

  Result<Mount> run(std::string_view text) {
    const std::vector<std::string> fields = TRY(split_csv(text));
    // The type first, wherever it stands: the others are judged by it.
    for (const std::string& field : fields)
      if (const CsvOption option = split_option(field); option.key == "type" && option.has_value) TRY(set(option));
    for (const std::string& field : fields)
      if (const CsvOption option = split_option(field); option.key != "type" || !option.has_value) TRY(set(option));
    if (!access_said_) mount_.read_only = mount_.type != Type::cache && mount_.type != Type::tmpfs;
    TRY(check());
    return std::move(mount_);
  }

 private:
  std::string_view type_name() const { return kTypes[static_cast<std::size_t>(mount_.type)]; }
  bool is(Type type) const { return mount_.type == type; }
  Error unexpected(std::string_view key) const { return fail(EINVAL, "unexpected key '{}' for mount type '{}'", key, type_name()); }

  Result<void> set(const CsvOption& option) {
    const std::string_view key = option.key;
    if (find_in(kKeys, key) == kKeys.size())
      return fail(EINVAL, "unexpected key '{}' in '{}{}{}'{}", key, key, option.has_value ? "=" : "", option.value, did_you_mean(key, kKeys));
    // buildah's, for SELinux: nothing here carries labels, so there are none to be changed.
    if (key == "relabel" || (key == "z" && !option.has_value)) return {};
    if (!option.has_value) {
      if (key == "readonly" || key == "ro" || key == "readwrite" || key == "rw") return set_access(key, true);
      if (key == "required") return set_required(true);
      return fail(EINVAL, "invalid field '{}' must be a key=value pair", key);
    }
    if (key == "from") {
      if (const std::size_t dollar = option.value.find('$'); dollar != std::string::npos && dollar + 1 < option.value.size())
        return fail(EINVAL, "'from' doesn't support variable expansion, define alias stage instead: \"FROM $IMAGE AS name\"");
      mount_.from = option.value;
      return {};
    }
    return set_value(key, TRY(expand_(option.value)));
  }

  Result<void> set_value(std::string_view key, std::string value) {
    if (key == "source" || key == "src") {
      mount_.source = std::move(value);
    } else if (key == "target" || key == "dst" || key == "destination") {
      mount_.target = std::move(value);
    } else if (key == "id") {
      mount_.id = std::move(value);
    } else if (key == "env") {
      mount_.env = std::move(value);
    } else if (key == "type") {
      const std::size_t type = find_in(kTypes, lower(value));
      if (type == kTypes.size())
        return fail(EINVAL, "unsupported mount type \"{}\"{}", value, did_you_mean(value, kTypes));
      mount_.type = static_cast<Type>(type);
    } else if (key == "sharing") {
      const std::size_t sharing = find_in(kSharing, lower(value));
      if (sharing == kSharing.size())
        return fail(EINVAL, "unsupported sharing value \"{}\"{}: shared, private and locked are", value, did_you_mean(value, kSharing));
      if (!is(Type::cache)) return unexpected(key);
      mount_.sharing = static_cast<Sharing>(sharing);
    } else if (key == "size" || key == "tmpfs-size") {
      if (!is(Type::tmpfs)) return unexpected(key);
      const auto size = parse_size(value);
      if (!size) return fail(EINVAL, "invalid value for size: {}: a number of bytes such as 64m is wanted", value);
      mount_.size = *size;
    } else if (key == "mode" || key == "uid" || key == "gid") {
      return set_owner(key, value);
    } else {
      const auto yes = parse_bool(value);
      if (!yes) return fail(EINVAL, "invalid value for {}: {}: true or false is wanted", key, value);
      return key == "required" ? set_required(*yes) : set_access(key, *yes);
    }
    return {};
  }

  Result<void> set_owner(std::string_view key, const std::string& value) {
    if (is(Type::bind) || is(Type::tmpfs)) return fail(EINVAL, "{} not allowed for \"{}\" type mounts", key, type_name());
    const auto number = parse_number(value, key == "mode" ? 8 : 10);
    if (!number) return fail(EINVAL, "invalid value {} for {}: {} is wanted", value, key, key == "mode" ? "an octal number" : "a number");
    (key == "mode" ? mount_.mode : key == "uid" ? mount_.uid : mount_.gid) = *number;
    return {};
  }

  Result<void> set_access(std::string_view key, bool yes) {
    mount_.read_only = (key == "readonly" || key == "ro") == yes;
    access_said_ = true;
    return {};
  }

  Result<void> set_required(bool yes) {
    if (!is(Type::secret) && !is(Type::ssh)) return unexpected("required");
    mount_.required = yes;
    return {};
  }

  Result<void> check() const {
    if (is(Type::secret)) {
      if (!mount_.from.empty()) return fail(EINVAL, "secret mount should not have a from");
      if (!mount_.source.empty() && !mount_.id.empty()) return fail(EINVAL, "both source and id can't be set of a secret mount");
      if (mount_.source.empty() && mount_.id.empty() && mount_.target.empty())
        return fail(EINVAL, "invalid secret mount. one of source, target required");
      return {};
    }
    if (is(Type::ssh)) {
      if (!mount_.source.empty()) return fail(EINVAL, "ssh does not support source");
      return {};
    }
    if (mount_.target.empty()) return fail(EINVAL, "invalid mount target \"\": a {} mount wants one", type_name());
    return {};
  }

  const ExpandValue& expand_;
  Mount mount_;
  bool access_said_ = false;
};

}  // namespace

Result<Mount> parse_mount(std::string_view text, const ExpandValue& expand) { return Parser(expand).run(text); }

std::string mount_from(std::string_view text) {
  const auto fields = split_csv(text);
  std::string from;
  if (fields)
    for (const std::string& field : *fields)
      if (CsvOption option = split_option(field); option.key == "from") from = std::move(option.value);
  return from;
}

std::optional<std::uint64_t> parse_size(std::string_view text) {
  const std::size_t length = std::min(text.find_first_not_of("0123456789."), text.size());
  const std::string digits(text.substr(0, length));
  if (digits.empty() || digits.front() == '.' || digits.back() == '.' || digits.find('.') != digits.rfind('.')) return std::nullopt;
  std::string unit = lower(text.substr(length));
  if (unit.starts_with(' ')) unit.erase(0, 1);
  double scale = 1;
  if (!unit.empty() && unit != "b") {
    const std::size_t power = std::string_view("kmgtp").find(unit[0]);
    const std::string_view rest = std::string_view(unit).substr(1);
    if (power == std::string_view::npos || (!rest.empty() && rest != "b" && rest != "ib")) return std::nullopt;
    scale = std::pow(1024.0, static_cast<double>(power + 1));
  }
  const double bytes = std::strtod(digits.c_str(), nullptr) * scale;
  if (bytes >= 9.2e18) return std::nullopt;
  return static_cast<std::uint64_t>(bytes);
}

}  // namespace acetate::dockerfile
