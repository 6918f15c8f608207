// Who a USER or --user means, by the root's own /etc/passwd and /etc/group.
#include <limits>
#include <optional>

#include "base/number.h"
#include "base/sys/file.h"
#include "base/sys/open.h"
#include "builder/sandbox/spec.h"

namespace acetate::sandbox {

namespace {

// Real ones are kilobytes. A hostile one costs this much memory, and no more.
constexpr std::size_t kLargest = 8 << 20;
constexpr std::size_t kMostGroups = 65536;  // NGROUPS_MAX

std::string_view cut(std::string_view& text, char separator) {
  const std::size_t end = std::min(text.find(separator), text.size());
  const std::string_view part = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return part;
}

// An id, or nothing when the text is a name. (uid_t)-1 means "leave it" to the kernel and is no id.
std::optional<std::uint32_t> parse_id(std::string_view text) {
  const auto id = number_of<std::uint32_t>(text);
  return id == std::numeric_limits<std::uint32_t>::max() ? std::nullopt : id;
}

bool all_digits(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

// The text of a file beneath the root; none is empty. A FIFO or device there is not read.
Result<std::string> read_in_root(FdRef root, const char* path) {
  const RelPath inside = TRY(RelPath::parse(path));
  auto opened = sys::open_beneath(root, inside, O_PATH, 0, sys::Symlinks::in_root);
  if (!opened && (opened.error().is(ENOENT) || opened.error().is(ENOTDIR))) return std::string();
  const Fd where = TRY_WITHIN(std::move(opened), "opening /{} of the container", path);
  if (!S_ISREG(TRY(sys::stat(where.ref())).st_mode))
    return fail(EINVAL, "/{} of the container is not a regular file", path);
  const Fd file = TRY_WITHIN(sys::reopen(where.ref(), O_RDONLY), "opening /{} of the container", path);
  return TRY_WITHIN(sys::read_all(file.ref(), kLargest), "reading /{} of the container", path);
}

struct PasswdEntry {
  std::string name;
  std::uint32_t uid, gid;
  std::string home;
};

// The first entry by name, or by id. Lines that are no entry are skipped, as getpwent(3) skips them.
std::optional<PasswdEntry> find_passwd(std::string_view text, std::string_view name, std::optional<uid_t> uid) {
  while (!text.empty()) {
    std::string_view line = cut(text, '\n');
    const std::string_view entry_name = cut(line, ':');
    cut(line, ':');  // password
    const auto entry_uid = parse_id(cut(line, ':'));
    const auto entry_gid = parse_id(cut(line, ':'));
    cut(line, ':');  // full name
    const std::string_view home = cut(line, ':');
    if (entry_name.empty() || !entry_uid || !entry_gid) continue;
    if (uid ? *entry_uid == *uid : entry_name == name)
      return PasswdEntry{std::string(entry_name), *entry_uid, *entry_gid, std::string(home)};
  }
  return std::nullopt;
}

std::optional<gid_t> find_group(std::string_view text, std::string_view name) {
  while (!text.empty()) {
    std::string_view line = cut(text, '\n');
    const std::string_view entry_name = cut(line, ':');
    cut(line, ':');
    const auto gid = parse_id(cut(line, ':'));
    if (!entry_name.empty() && gid && entry_name == name) return gid;
  }
  return std::nullopt;
}

std::vector<gid_t> groups_of(std::string_view text, std::string_view user) {
  std::vector<gid_t> groups;
  while (!text.empty() && groups.size() < kMostGroups) {
    std::string_view line = cut(text, '\n');
    const std::string_view entry_name = cut(line, ':');
    cut(line, ':');
    const auto gid = parse_id(cut(line, ':'));
    if (entry_name.empty() || !gid) continue;
    while (!line.empty())
      if (cut(line, ',') == user) {
        groups.push_back(*gid);
        break;
      }
  }
  return groups;
}

}  // namespace

Result<User> resolve_user(const std::string& rootfs, const std::string& text) {
  std::string_view group = text;
  const std::string_view name = cut(group, ':');
  const bool names_group = text.find(':') != std::string::npos;
  if (group.find(':') != std::string_view::npos || (names_group && group.empty()) || (name.empty() && names_group))
    return fail(EINVAL, "'{}' is not a user: it should be NAME, UID, NAME:GROUP or UID:GID", text);

  const Fd root = TRY_WITHIN(sys::open(rootfs, O_PATH | O_DIRECTORY), "opening {}", rootfs);
  const std::string passwd = TRY(read_in_root(root.ref(), "etc/passwd"));
  const auto uid = name.empty() ? std::optional<uid_t>(0) : parse_id(name);
  if (!uid && all_digits(name)) return fail(EINVAL, "{} is too large for a user id", name);
  // A name of digits is an id, as docker reads it; the entry only adds group and home.
  const auto entry = find_passwd(passwd, name, uid);
  if (!uid && !entry) return fail(ENOENT, "there is no user {} in the container's /etc/passwd", name);

  User user;
  user.uid = uid ? *uid : entry->uid;
  if (entry) {
    user.gid = entry->gid;
    if (entry->home.starts_with('/')) user.home = entry->home;
  }
  if (!names_group && !entry) return user;
  const std::string groups = TRY(read_in_root(root.ref(), "etc/group"));
  if (!names_group) {
    user.groups = groups_of(groups, entry->name);
    return user;
  }
  // A group that is named stands alone, as in docker and podman.
  const auto gid = parse_id(group);
  if (!gid && all_digits(group)) return fail(EINVAL, "{} is too large for a group id", group);
  const auto found = gid ? gid : find_group(groups, group);
  if (!found) return fail(ENOENT, "there is no group {} in the container's /etc/group", group);
  user.gid = *found;
  return user;
}

}  // namespace acetate::sandbox
