#include "layers/override_stat.h"

#include <sys/sysmacros.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "base/sys/xattr.h"

namespace acetate {

namespace {

constexpr std::array<std::pair<OverrideMode, std::string_view>, 3> kXattrs = {{
    {OverrideMode::privileged, "security.fuseoverlayfs.override_stat"},
    {OverrideMode::containers, "user.containers.override_stat"},
    {OverrideMode::user, "user.fuseoverlayfs.override_stat"},
}};

constexpr std::array<std::pair<std::string_view, mode_t>, 5> kTypes = {{
    {"dir", S_IFDIR},
    {"file", S_IFREG},
    {"symlink", S_IFLNK},
    {"pipe", S_IFIFO},
    {"socket", S_IFSOCK},
}};

constexpr std::string_view kSecurityOnDisk = "user.containers.override_security.";

// Takes a number off the front.
std::optional<unsigned> number(std::string_view& text, int base) {
  unsigned value = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (parsed.ec != std::errc()) return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(parsed.ptr - text.data()));
  return value;
}

bool skip(std::string_view& text, std::string_view what) {
  if (!text.starts_with(what)) return false;
  text.remove_prefix(what.size());
  return true;
}

bool parse_device(std::string_view text, OverrideStat& into) {
  const bool block = skip(text, "block-");
  if (!block && !skip(text, "char-")) return false;
  const auto high = number(text, 10);
  if (!high || !skip(text, "-")) return false;
  const auto low = number(text, 10);
  if (!low || !text.empty()) return false;
  into.type = block ? S_IFBLK : S_IFCHR;
  into.rdev = makedev(*high, *low);
  return true;
}

}  // namespace

OverrideMode override_mode_of(const std::vector<std::string>& root_xattrs) noexcept {
  for (const auto& [mode, xattr] : kXattrs)
    if (std::find(root_xattrs.begin(), root_xattrs.end(), xattr) != root_xattrs.end()) return mode;
  return OverrideMode::none;
}

std::string_view override_xattr(OverrideMode mode) noexcept {
  for (const auto& [one, xattr] : kXattrs)
    if (one == mode) return xattr;
  return {};
}

Result<OverrideStat> parse_override_stat(std::string_view value) {
  OverrideStat stat;
  std::string_view rest = value;
  while (rest.ends_with('\0')) rest.remove_suffix(1);
  const auto uid = number(rest, 10);
  const bool after_uid = skip(rest, ":");
  const auto gid = number(rest, 10);
  const bool after_gid = skip(rest, ":");
  const auto mode = number(rest, 8);
  if (!uid || !after_uid || !gid || !after_gid || !mode)
    return fail(EINVAL, "override_stat '{}' is not UID:GID:MODE[:TYPE]", value);
  stat.uid = *uid;
  stat.gid = *gid;
  // fuse-overlayfs writes the file type along with the permissions sometimes, and ignores it when reading.
  stat.permissions = *mode & 07777;
  if (rest.empty()) return stat;
  if (!skip(rest, ":")) return fail(EINVAL, "override_stat '{}' goes on after its mode", value);
  for (const auto& [name, type] : kTypes)
    if (rest == name) stat.type = type;
  if (!stat.type && !parse_device(rest, stat))
    return fail(EINVAL, "override_stat '{}' has an unknown type", value);
  return stat;
}

std::string format_override_stat(const OverrideStat& stat) {
  std::string text = fmt::format("{}:{}:{:04o}", stat.uid, stat.gid, stat.permissions);
  if (!stat.type) return text;
  for (const auto& [name, type] : kTypes)
    if (*stat.type == type) return text + ":" + std::string(name);
  return fmt::format("{}:{}-{}-{}", text, *stat.type == S_IFBLK ? "block" : "char", major(stat.rdev),
                     minor(stat.rdev));
}

Result<std::optional<OverrideStat>> read_override_stat(FileAt at, OverrideMode mode) {
  const char* name = override_xattr(mode).data();
  auto value = *at.name == '\0' ? sys::get_xattr(at.dir, name) : sys::get_xattr(at, name);
  if (!value) {
    if (value.error().is(ENODATA) || value.error().is(ENOTSUP)) return std::optional<OverrideStat>();
    return std::move(value).error();
  }
  auto parsed = parse_override_stat(*value);
  if (!parsed) return fail(EIO, "{}", parsed.error().message());
  return std::optional(*std::move(parsed));
}

void apply(const OverrideStat& stat, Attr& attr) noexcept {
  if (!attr.is_regular() && !attr.is_dir()) return;
  attr.uid = stat.uid;
  attr.gid = stat.gid;
  // A directory is one whatever is said: nothing else can hold entries; and no file can be made into one.
  mode_t type = attr.mode & S_IFMT;
  if (attr.is_regular() && stat.type && *stat.type != S_IFDIR) type = *stat.type;
  attr.mode = type | stat.permissions;
  attr.rdev = S_ISCHR(type) || S_ISBLK(type) ? stat.rdev : 0;
  if (!attr.is_regular() && !attr.is_symlink() && !attr.is_dir()) attr.size = 0;
}

std::optional<std::string> overridden_xattr(OverrideMode mode, std::string_view on_disk_name) {
  if (mode != OverrideMode::containers || !on_disk_name.starts_with(kSecurityOnDisk)) return std::nullopt;
  return "security." + std::string(on_disk_name.substr(kSecurityOnDisk.size()));
}

}  // namespace acetate
