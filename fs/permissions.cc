#include "fs/permissions.h"

#include <sys/sysmacros.h>

#include "base/sys/file.h"
#include "base/sys/xattr.h"
#include "fs/upper.h"

namespace acetate::fs {

namespace {

constexpr mode_t kOnDisk = 0755;
constexpr std::string_view kSecurity = "security.";

bool can_carry(const struct statx& st) noexcept { return S_ISREG(st.stx_mode) || S_ISDIR(st.stx_mode); }

OverrideStat described(const struct statx& st) {
  return {.uid = st.stx_uid,
          .gid = st.stx_gid,
          .permissions = static_cast<mode_t>(st.stx_mode & 07777),
          .type = st.stx_mode & S_IFMT,
          .rdev = makedev(st.stx_rdev_major, st.stx_rdev_minor)};
}

void put_over(const OverrideStat& kept, struct statx& st) {
  Attr attr = attr_of(st);
  OverrideStat sane = kept;
  // Device 0:0 is a whiteout to everybody; a whiteout is never written so.
  if (sane.type && S_ISCHR(*sane.type) && sane.rdev == 0) sane.type = S_IFREG;
  apply(sane, attr);
  st.stx_uid = attr.uid;
  st.stx_gid = attr.gid;
  st.stx_mode = static_cast<std::uint16_t>(attr.mode);
  st.stx_size = attr.size;
  st.stx_rdev_major = major(attr.rdev);
  st.stx_rdev_minor = minor(attr.rdev);
}

Result<void> set(FileAt at, const char* name, const OverrideStat& stat) {
  const std::string value = format_override_stat(stat);
  if (*at.name == '\0') return sys::set_xattr(at.dir, name, value);
  const Fd object = TRY(sys::open(at, O_PATH | O_NOFOLLOW));
  return sys::set_xattr(object.ref(), name, value);
}

// What Permissions::note() wrote of it.
Result<std::optional<OverrideStat>> noted(FdRef object) { return read_override_stat(FileAt{object, ""}, OverrideMode::user); }

// `before`: what was noted of it, whose ids stay where no others are given.
Result<void> put_note(FdRef object, const std::optional<OverrideStat>& before, std::optional<uid_t> uid, std::optional<gid_t> gid) {
  const FileAt at{object, ""};
  const struct statx st = TRY(stat_of(at));
  if (!can_carry(st)) return {};
  OverrideStat kept = described(st);
  kept.uid = uid ? *uid : before ? before->uid : kept.uid;
  kept.gid = gid ? *gid : before ? before->gid : kept.gid;
  return set(at, override_xattr(OverrideMode::user).data(), kept);
}

}  // namespace

Result<struct statx> Permissions::stat(FileAt at) const {
  struct statx st = TRY(stat_of(at));
  if (!in_xattr() || !can_carry(st)) return st;
  if (const auto kept = TRY(read_override_stat(at, mode_))) put_over(*kept, st);
  return st;
}

mode_t Permissions::made_as(mode_t mode) const noexcept {
  if (!in_xattr() || S_ISLNK(mode)) return mode;
  return (S_ISDIR(mode) ? S_IFDIR : S_IFREG) | kOnDisk;
}

Result<void> Permissions::describe(FileAt at, uid_t uid, gid_t gid, mode_t mode, dev_t rdev) const {
  if (S_ISLNK(mode)) {
    auto given = *at.name == '\0' ? sys::chown(at.dir, uid, gid) : sys::chown(at, uid, gid);
    return given || given.error().is(EPERM) || given.error().is(EINVAL) ? Result<void>() : std::move(given);
  }
  return set(at, override_xattr(mode_).data(),
             {.uid = uid, .gid = gid, .permissions = mode & 07777, .type = mode & S_IFMT, .rdev = rdev});
}

Result<void> Permissions::change(FdRef object, const std::function<void(OverrideStat&)>& change) const {
  const FileAt at{object, ""};
  OverrideStat kept = described(TRY(stat(at)));
  change(kept);
  return set(at, override_xattr(mode_).data(), kept);
}

Result<void> Permissions::note(FdRef object, const std::optional<uid_t>& uid, const std::optional<gid_t>& gid) const {
  return put_note(object, TRY(noted(object)), uid, gid);
}

Result<void> Permissions::chown(FdRef object, uid_t uid, gid_t gid) const {
  constexpr auto kAsItIs = static_cast<uid_t>(-1);
  if (notes_owners_) return note(object, uid != kAsItIs ? std::optional(uid) : std::nullopt, gid != kAsItIs ? std::optional(gid) : std::nullopt);
  if (!in_xattr()) return sys::chown(object, uid, gid);
  const struct statx st = TRY(stat_of(FileAt{object, ""}));
  if (!can_carry(st)) {
    auto given = sys::chown(object, uid, gid);
    return given || given.error().is(EPERM) || given.error().is(EINVAL) ? Result<void>() : std::move(given);
  }
  return change(object, [&](OverrideStat& kept) {
    if (uid != static_cast<uid_t>(-1)) kept.uid = uid;
    if (gid != static_cast<gid_t>(-1)) kept.gid = gid;
  });
}

Result<void> Permissions::chmod(FdRef object, mode_t mode) const {
  if (!in_xattr()) {
    TRY(sys::chmod(object, mode));
    if (!notes_owners_) return {};
    // A note says the mode too, to whoever reads the upper directory.
    const auto kept = TRY(noted(object));
    return kept ? put_note(object, kept, std::nullopt, std::nullopt) : Result<void>();
  }
  return change(object, [&](OverrideStat& kept) { kept.permissions = mode & 07777; });
}

std::optional<std::string> Permissions::stored_xattr(std::string_view name) const {
  if (mode_ != OverrideMode::containers || !name.starts_with(kSecurity)) return std::nullopt;
  return "user.containers.override_security." + std::string(name.substr(kSecurity.size()));
}

}  // namespace acetate::fs
