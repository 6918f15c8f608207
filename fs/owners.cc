#include "fs/owners.h"

#include <algorithm>
#include <cstring>

#include "base/number.h"

namespace acetate::fs {

namespace {

// A posix_acl_xattr_header (the version) and then entries of tag, permissions and id, all little-endian.
// Source: include/uapi/linux/posix_acl_xattr.h.
constexpr std::size_t kAclHeader = 4;
constexpr std::size_t kAclEntry = 8;
constexpr std::size_t kAclIdAt = 4;
constexpr std::uint16_t kAclUser = 0x02;
constexpr std::uint16_t kAclGroup = 0x08;

template <class T>
T little_endian(const std::string& bytes, std::size_t at) {
  T value;
  std::memcpy(&value, bytes.data() + at, sizeof value);
  return value;
}

std::string with_acl_ids(std::string acl, auto&& uid, auto&& gid) {
  if (acl.size() < kAclHeader || (acl.size() - kAclHeader) % kAclEntry != 0) return acl;
  for (std::size_t at = kAclHeader; at < acl.size(); at += kAclEntry) {
    const auto tag = little_endian<std::uint16_t>(acl, at);
    if (tag != kAclUser && tag != kAclGroup) continue;
    const auto id = little_endian<std::uint32_t>(acl, at + kAclIdAt);
    const std::uint32_t changed = tag == kAclUser ? uid(id) : gid(id);
    std::memcpy(acl.data() + at + kAclIdAt, &changed, sizeof changed);
  }
  return acl;
}

}  // namespace

Result<IdMap> IdMap::parse(std::string_view text) {
  const std::string_view whole = text;
  if (text.starts_with(':')) text.remove_prefix(1);
  std::vector<std::uint32_t> numbers;
  for (bool more = true; more;) {
    const std::size_t end = std::min(text.find(':'), text.size());
    const auto value = number_of<std::uint32_t>(text.substr(0, end));
    if (!value) return fail(EINVAL, "invalid mapping specified: {}", whole);
    numbers.push_back(*value);
    more = end < text.size();
    if (more) text.remove_prefix(end + 1);
  }
  if (numbers.size() % 3 != 0) return fail(EINVAL, "invalid mapping specified: {}", whole);
  IdMap map;
  for (std::size_t i = 0; i < numbers.size(); i += 3)
    map.ranges_.push_back({.on_disk = numbers[i], .shown = numbers[i + 1], .count = numbers[i + 2]});
  return map;
}

std::uint32_t IdMap::shown(std::uint32_t on_disk) const noexcept {
  if (ranges_.empty()) return on_disk;
  for (const Range& range : ranges_)
    if (on_disk >= range.on_disk && on_disk - range.on_disk < range.count) return range.shown + (on_disk - range.on_disk);
  return kOverflowId;
}

std::uint32_t IdMap::on_disk(std::uint32_t shown) const noexcept {
  if (ranges_.empty()) return shown;
  for (const Range& range : ranges_)
    if (shown >= range.shown && shown - range.shown < range.count) return range.on_disk + (shown - range.shown);
  return kOverflowId;
}

void Owners::show(Attr& attr) const noexcept {
  attr.uid = squash_uid ? *squash_uid : uids.shown(attr.uid);
  attr.gid = squash_gid ? *squash_gid : gids.shown(attr.gid);
}

std::string Owners::acl_shown(std::string acl) const {
  if (uids.empty() && gids.empty()) return acl;
  return with_acl_ids(
      std::move(acl), [&](std::uint32_t id) { return uids.shown(id); }, [&](std::uint32_t id) { return gids.shown(id); });
}

std::string Owners::acl_on_disk(std::string acl) const {
  if (uids.empty() && gids.empty()) return acl;
  return with_acl_ids(
      std::move(acl), [&](std::uint32_t id) { return uids.on_disk(id); },
      [&](std::uint32_t id) { return gids.on_disk(id); });
}

bool means_may_not_give(const Error& chown) noexcept {
  return chown.is(EPERM) || chown.is(EACCES) || chown.is(EINVAL) || chown.is(EOVERFLOW) || chown.is(EOPNOTSUPP) || chown.is(ENOSYS);
}

bool is_acl_xattr(std::string_view name) noexcept { return name.starts_with("system.posix_acl_"); }

}  // namespace acetate::fs
