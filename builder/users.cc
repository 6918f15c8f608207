#include "builder/users.h"

#include <charconv>
#include <optional>
#include <vector>

#include "builder/tree_view.h"

namespace acetate::build {

namespace {

constexpr std::size_t kMostBytes = 4 << 20;  // of a passwd or group file

std::optional<std::uint32_t> parse_id(std::string_view text) {
  std::uint32_t id = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), id);
  if (error != std::errc() || end != text.data() + text.size() || id == UINT32_MAX) return std::nullopt;
  return id;
}

// The line whose first field is `name`, split at its colons.
std::optional<std::vector<std::string_view>> find_line(std::string_view file, std::string_view name) {
  while (!file.empty()) {
    const std::size_t end = std::min(file.find('\n'), file.size());
    std::string_view line = file.substr(0, end);
    file.remove_prefix(std::min(end + 1, file.size()));
    std::vector<std::string_view> fields;
    for (std::size_t at = 0; at <= line.size();) {
      const std::size_t colon = std::min(line.find(':', at), line.size());
      fields.push_back(line.substr(at, colon - at));
      at = colon + 1;
    }
    if (fields.front() == name) return fields;
  }
  return std::nullopt;
}

}  // namespace

Result<Ids> resolve_owner_in(std::string_view passwd, std::string_view group, std::string_view text, UnknownNames unknown) {
  const std::size_t colon = text.find(':');
  const std::string_view user = text.substr(0, colon);
  Ids ids;
  if (user.empty()) {
    ids = {0, 0};  // ":group" is root's
  } else if (const auto number = parse_id(user)) {
    ids = {*number, *number};
  } else {
    const auto line = find_line(passwd, user);
    const auto uid = line && line->size() > 3 ? parse_id((*line)[2]) : std::nullopt;
    const auto gid = line && line->size() > 3 ? parse_id((*line)[3]) : std::nullopt;
    if ((!uid || !gid) && unknown == UnknownNames::refused)
      return fail(ENOENT, "unable to find user {}: no matching entries in passwd file of the image", user);
    ids = {uid.value_or(0), gid.value_or(0)};
  }
  if (colon == std::string_view::npos || colon + 1 == text.size()) return ids;
  const std::string_view name = text.substr(colon + 1);
  if (const auto number = parse_id(name)) {
    ids.gid = *number;
    return ids;
  }
  const auto line = find_line(group, name);
  const auto gid = line && line->size() > 2 ? parse_id((*line)[2]) : std::nullopt;
  if (!gid && unknown == UnknownNames::refused) return fail(ENOENT, "unable to find group {}: no matching entries in group file of the image", name);
  ids.gid = gid.value_or(ids.gid);
  return ids;
}

Result<Ids> resolve_owner(const Layer& root, std::string_view text, UnknownNames unknown) {
  const auto passwd = TRY_WITHIN(read_file_in(root, "/etc/passwd", kMostBytes), "reading the image's /etc/passwd");
  const auto group = TRY_WITHIN(read_file_in(root, "/etc/group", kMostBytes), "reading the image's /etc/group");
  return resolve_owner_in(passwd.value_or(""), group.value_or(""), text, unknown);
}

}  // namespace acetate::build
