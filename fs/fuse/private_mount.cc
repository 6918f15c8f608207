#include "fs/fuse/private_mount.h"

#include <fcntl.h>
#include <linux/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <optional>
#include <string>

#include "base/sys/call.h"
#include "base/sys/file.h"
#include "base/sys/mount.h"

namespace acetate::fs {

namespace {

Result<Fd> clone_without_access_times(const std::string& mount_point) {
  const long cloned = TRY(sys::checked(sys::Call::mount, [&] {
    return ::syscall(SYS_open_tree, AT_FDCWD, mount_point.c_str(), OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_NO_AUTOMOUNT);
  }));
  Fd mount(Adopt{}, static_cast<int>(cloned));
  // How access times are kept is one field of several bits, to be cleared before it is set.
  mount_attr attr{.attr_set = MOUNT_ATTR_NOATIME, .attr_clr = MOUNT_ATTR__ATIME, .propagation = 0, .userns_fd = 0};
  TRY(sys::done(sys::Call::mount, [&] { return ::syscall(SYS_mount_setattr, mount.ref().fd, "", AT_EMPTY_PATH, &attr, sizeof attr); }));
  return mount;
}

// Below a mount point; nothing where it lies elsewhere.
std::optional<std::string> path_within(const std::string& mount_point, FdRef dir) {
  const sys::ProcFdPath link(dir);
  auto path = sys::readlink(FileAt{kWorkingDir, link.c_str()});
  if (!path) return std::nullopt;
  if (*path == mount_point) return ".";
  const std::string above = mount_point == "/" ? mount_point : mount_point + "/";
  if (!path->starts_with(above)) return std::nullopt;
  return path->substr(above.size());
}

Result<Fd> same_on(FdRef mount, const std::string& mount_point, FdRef dir) {
  const auto path = path_within(mount_point, dir);
  if (!path) return Error(EXDEV);
  Fd found = TRY(sys::open(FileAt{mount, path->c_str()}, O_PATH | O_DIRECTORY | O_NOFOLLOW));
  const struct stat is = TRY(sys::stat(found.ref())), was = TRY(sys::stat(dir));
  if (is.st_dev != was.st_dev || is.st_ino != was.st_ino) return Error(EXDEV);
  return found;
}

Result<std::uint64_t> mount_id(FdRef dir) { return TRY(sys::statx(FileAt{dir, ""}, AT_EMPTY_PATH, STATX_MNT_ID)).stx_mnt_id; }

}  // namespace

Result<UpperAndWork> on_private_mount(FdRef upper, FdRef work) {
  const std::uint64_t id = TRY(mount_id(upper));
  if (id != TRY(mount_id(work))) return Error(EXDEV);
  const auto table = TRY(sys::mounts());
  const auto own = std::ranges::find_if(table, [&](const sys::MountInfo& one) { return static_cast<std::uint64_t>(one.id) == id; });
  if (own == table.end()) return Error(EXDEV);
  const Fd mount = TRY(clone_without_access_times(own->mount_point));
  Fd upper_there = TRY(same_on(mount.ref(), own->mount_point, upper));
  Fd work_there = TRY(same_on(mount.ref(), own->mount_point, work));
  return UpperAndWork{.upper = std::move(upper_there), .work = std::move(work_there)};
}

}  // namespace acetate::fs
