#include "layers/whiteout.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <array>
#include <random>
#include <vector>

#include "base/scope.h"
#include "base/sys/file.h"
#include "base/sys/xattr.h"

namespace acetate {

namespace {

constexpr std::string_view kBookkeepingPrefix = ".wh..wh.";
constexpr std::array<std::string_view, 2> kOverlayPrefixes = {"trusted.overlay.", "user.overlay."};
constexpr std::string_view kEscape = "overlay.";
constexpr std::string_view kFuseOverlayfsPrefix = "user.fuseoverlayfs.";
constexpr std::string_view kOverrideSuffix = ".override_stat";
constexpr std::string_view kContainersPrefix = "user.containers.override_";

// A call that this file system, kernel or user is not allowed or able to make; anything else is a failure.
bool is_refusal(const Error& error) {
  switch (error.code()) {
    case EPERM:
    case EACCES:
    case ENOSYS:
    case EINVAL:
    case ENOTSUP:
    case ENODEV:
      return true;
    default:
      return false;
  }
}

std::string temporary_name() {
  std::random_device random;
  return fmt::format("probe.{:08x}{:08x}", random(), random());
}

Result<bool> device_whiteouts_work(FdRef work) {
  const std::string name = temporary_name();
  auto made = sys::mknod({work, name.c_str()}, S_IFCHR, makedev(0, 0));
  if (!made) {
    if (is_refusal(made.error())) return false;
    return std::move(made).error();
  }
  // Some network file systems say yes and make something else.
  const Undo remove{[&] { (void)sys::unlink({work, name.c_str()}); }};
  const struct stat st = TRY(sys::stat(FileAt{work, name.c_str()}));
  return is_device_whiteout(st.st_mode, st.st_rdev);
}

Result<std::string> working_xattr_prefix(FdRef work) {
  const std::string name = temporary_name();
  TRY(sys::mkdir({work, name.c_str()}, 0700));
  const Undo remove{[&] { (void)sys::rmdir({work, name.c_str()}); }};
  const Fd dir = TRY(sys::open({work, name.c_str()}, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
  for (const std::string_view prefix : kOverlayPrefixes) {
    auto set = sys::set_xattr(dir.ref(), (std::string(prefix) + "opaque").c_str(), "y");
    if (set) return std::string(prefix);
    if (!is_refusal(set.error())) return std::move(set).error();
  }
  return std::string();
}

}  // namespace

DecodedName decode_name(std::string_view name) noexcept {
  using Kind = DecodedName::Kind;
  if (!name.starts_with(kWhiteoutPrefix)) return {Kind::ordinary, {}};
  if (name == kOpaqueFile) return {Kind::opaque, {}};
  const std::string_view hides = name.substr(kWhiteoutPrefix.size());
  // ".wh.", ".wh.." and ".wh..." would hide what is no name.
  if (name.starts_with(kBookkeepingPrefix) || hides.empty() || hides == "." || hides == "..")
    return {Kind::bookkeeping, {}};
  return {Kind::whiteout, hides};
}

bool is_private_xattr(std::string_view name) noexcept {
  if (name.starts_with(kFuseOverlayfsPrefix) || name.starts_with(kContainersPrefix) || name.ends_with(kOverrideSuffix))
    return true;
  for (const std::string_view prefix : kOverlayPrefixes)
    if (name.starts_with(prefix)) return !name.substr(prefix.size()).starts_with(kEscape);
  return false;
}

std::optional<std::string> visible_xattr(std::string_view on_disk_name) {
  if (is_private_xattr(on_disk_name)) return std::nullopt;
  for (const std::string_view prefix : kOverlayPrefixes)
    if (on_disk_name.starts_with(prefix))
      return std::string(prefix) + std::string(on_disk_name.substr(prefix.size() + kEscape.size()));
  return std::string(on_disk_name);
}

std::optional<std::string> stored_xattr(std::string_view visible_name) {
  for (const std::string_view prefix : kOverlayPrefixes)
    if (visible_name.starts_with(prefix))
      return std::string(prefix) + std::string(kEscape) + std::string(visible_name.substr(prefix.size()));
  if (is_private_xattr(visible_name)) return std::nullopt;
  return std::string(visible_name);
}

Result<WriteDialect> probe_write_dialect(FdRef work) {
  WriteDialect dialect;
  dialect.device_whiteout =
      TRY_WITHIN(device_whiteouts_work(work), "trying a whiteout in the work directory");
  dialect.xattr_prefix =
      TRY_WITHIN(working_xattr_prefix(work), "trying extended attributes in the work directory");
  return dialect;
}

Result<void> put_whiteout(FileAt at, const WriteDialect& dialect) {
  if (dialect.device_whiteout) return sys::mknod(at, S_IFCHR, makedev(0, 0));
  if (auto there = sys::stat(at); there) {
    return Error(EEXIST);
  } else if (!there.error().is(ENOENT)) {
    return std::move(there).error();
  }
  const std::string name = std::string(kWhiteoutPrefix) + at.name;
  TRY(sys::open({at.dir, name.c_str()}, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600));
  return {};
}

Result<void> put_opaque(FdRef dir, const WriteDialect& dialect) {
  if (!dialect.xattr_prefix.empty())
    return sys::set_xattr(dir, (dialect.xattr_prefix + "opaque").c_str(), "y");
  const sys::ProcFdPath path(dir);
  const std::string file = std::string(path.c_str()) + "/" + std::string(kOpaqueFile);
  TRY(sys::open(file, O_WRONLY | O_CREAT | O_NOFOLLOW, 0600));
  return {};
}

bool is_begun_without_privilege(const std::vector<std::string>& xattrs_of_root) {
  const auto has = [&](std::string_view name) { return std::find(xattrs_of_root.begin(), xattrs_of_root.end(), name) != xattrs_of_root.end(); };
  return has("user.overlay.impure") && !has("trusted.overlay.impure");
}

bool is_device_whiteout(mode_t mode, dev_t rdev) noexcept { return S_ISCHR(mode) && rdev == makedev(0, 0); }

Result<Opacity> read_opacity(FdRef dir) {
  const std::vector<std::string> names = TRY(sys::list_xattrs(dir));
  return read_opacity(dir, names);
}

Result<Opacity> read_opacity(FdRef dir, const std::vector<std::string>& names) {
  Opacity opacity = Opacity::none;
  for (const std::string& name : names) {
    const bool kernels = name == "trusted.overlay.opaque" || name == "user.overlay.opaque";
    if (!kernels && name != "user.fuseoverlayfs.opaque") continue;
    auto value = sys::get_xattr(dir, name.c_str());
    // In a user namespace "trusted." names may be listed, and are nobody's to read there.
    if (!value && value.error().is(ENODATA)) continue;
    if (!value) return std::move(value).error();
    if (value->starts_with('y')) return Opacity::opaque;
    if (kernels && value->starts_with('x')) opacity = Opacity::has_xattr_whiteouts;
  }
  return opacity;
}

}  // namespace acetate
