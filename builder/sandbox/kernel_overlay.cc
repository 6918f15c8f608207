#include "builder/sandbox/kernel_overlay.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include <algorithm>

#include "base/log.h"
#include "base/scope.h"
#include "base/sys/dir.h"
#include "base/sys/file.h"
#include "base/sys/mount.h"
#include "base/sys/xattr.h"
#include "builder/sandbox/surroundings.h"
#include "fs/mount.h"

namespace acetate::sandbox {

namespace {

// In the text of an option a comma ends it, and in lowerdir a colon a path; ovl_unescape() takes one backslash off each.
std::string escaped(const std::string& path) {
  std::string text;
  for (const char c : path) {
    if (c == ',' || c == ':' || c == '\\') text += '\\';
    text += c;
  }
  return text;
}

FileAt at(const std::string& path) { return {kWorkingDir, path.c_str()}; }

Result<void> remove_and_make_again(const std::string& merged) {
  TRY_WITHIN(sys::unlink(at(merged + "/file")), "removing a file");
  TRY_WITHIN(sys::rmdir(at(merged + "/dir")), "removing a directory");
  TRY_WITHIN(sys::mkdir(at(merged + "/dir"), 0755), "making a directory where one was removed");
  return {};
}

Result<void> look_at_upper(const std::string& upper) {
  const struct stat whiteout = TRY(sys::stat(at(upper + "/file")));
  if (!S_ISCHR(whiteout.st_mode) || whiteout.st_rdev != 0) return fail(ENOTSUP, "a removed file left no whiteout");
  const Fd dir = TRY(sys::open(upper + "/dir", O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
  const auto names = TRY(sys::list_xattrs(dir.ref()));
  const bool is_opaque = std::ranges::any_of(names, [](const std::string& name) { return name.ends_with(".overlay.opaque"); });
  if (!is_opaque) return fail(ENOTSUP, "a directory made anew was not marked opaque");
  return {};
}

}  // namespace

std::optional<UpperKind> parse_upper_kind(std::string_view word) {
  if (word == "own") return UpperKind::own;
  if (word == "kernel") return UpperKind::kernel;
  if (word == "auto") return UpperKind::either;
  return std::nullopt;
}

Result<void> try_kernel_overlay(const std::string& dir) {
  const std::string base = dir + "/kernel-overlay";
  const Undo remove{[&] {
    if (auto gone = sys::remove_tree(at(base)); !gone) log::info("{} could not be removed: {}", base, gone.error().message());
  }};
  const KernelOverlay::Places places{.lower = base + "/lower", .upper = base + "/upper", .work = base + "/work", .target = base + "/merged"};
  for (const std::string& path : {places.lower + "/dir", places.upper, places.work, places.target}) TRY_WITHIN(sys::make_dirs(path, 0755), "making {}", path);
  TRY(sys::open(places.lower + "/file", O_WRONLY | O_CREAT | O_EXCL, 0644));
  KernelOverlay overlay = TRY(KernelOverlay::mount(places, false));
  TRY(remove_and_make_again(places.target));
  TRY(overlay.unmount());
  return look_at_upper(places.upper);
}

Result<KernelOverlay> KernelOverlay::mount(const Places& places, bool durable) {
  // Without xino, which sets the uppermost bit in the inode numbers of what lies below: programs for 32 bits without large files cannot
  // stat(2) such a one, and those that keep it as a double (Node.js) take neighbours for one file. Directories are of one device all the
  // same, and whoever stays on one file system asks it of them.
  std::string options = fmt::format("lowerdir={},upperdir={},workdir={},xino=off", escaped(places.lower), escaped(places.upper), escaped(places.work));
  // With "userxattr" the rest is off, and may not even be named.
  options += TRY(is_real_root()) ? ",redirect_dir=nofollow,metacopy=off,index=off" : ",userxattr";
  if (!durable) options += ",volatile";
  TRY_WITHIN(sys::mount("overlay", places.target.c_str(), "overlay", MS_NODEV | MS_NOATIME, options.c_str()), "mounting the kernel's overlay");
  return KernelOverlay(places.target);
}

KernelOverlay& KernelOverlay::operator=(KernelOverlay&& other) noexcept {
  KernelOverlay moved(std::move(other));
  std::swap(target_, moved.target_);
  return *this;
}

KernelOverlay::~KernelOverlay() {
  if (target_.empty() || unmount()) return;
  if (auto gone = fs::unmount(target_, true); !gone) log::warn("{}", gone.error().message());
}

Result<void> KernelOverlay::unmount() {
  if (target_.empty()) return {};
  TRY(fs::unmount_once_free(target_));
  target_.clear();
  return {};
}

}  // namespace acetate::sandbox
