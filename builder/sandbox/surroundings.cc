#include "builder/sandbox/surroundings.h"

#include <linux/magic.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>

#include "base/sys/dir.h"
#include "base/sys/file.h"
#include "base/sys/mount.h"

namespace acetate::sandbox {

Result<bool> is_real_root() {
  if (::geteuid() != 0) return false;
  const auto map = TRY(sys::current_uid_map());
  return map.size() == 1 && map[0].inside == 0 && map[0].outside == 0 && map[0].count == UINT32_MAX;
}

std::string our_hostname() {
  utsname names{};
  ::uname(&names);
  return names.nodename;
}

std::vector<std::string> throttles_below(const std::string& processors) {
  std::vector<std::string> paths;
  const auto dir = sys::open(processors, O_RDONLY | O_DIRECTORY);
  if (!dir) return paths;
  const auto read = sys::read_dir(dir->ref(), [&](const sys::DirEntry& entry) {
    const std::string path = fmt::format("{}/thermal_throttle", entry.name);
    const bool is_processor = entry.name.starts_with("cpu") && entry.name.find_first_not_of("0123456789", 3) == std::string_view::npos;
    if (is_processor && sys::stat(FileAt{dir->ref(), path.c_str()})) paths.push_back(fmt::format("{}/{}", processors, path));
    return true;
  });
  if (!read) paths.clear();
  std::ranges::sort(paths);
  return paths;
}

Result<Surroundings> look_around() {
  Surroundings found;
  // No /sys at all is no unified hierarchy either.
  if (const auto cgroups = sys::open("/sys/fs/cgroup", O_PATH | O_DIRECTORY))
    found.cgroup_v2 = static_cast<unsigned long>(TRY(sys::statfs(cgroups->ref())).f_type) == CGROUP2_SUPER_MAGIC;
  found.real_root = TRY(is_real_root());
  found.fresh_sysfs = found.real_root;
  found.throttles = throttles_below("/sys/devices/system/cpu");
  found.read_only_below = ::syscall(SYS_mount_setattr, -1, "", 0U, nullptr, 0UL) == 0 || errno != ENOSYS;
  return found;
}

Result<void> examine_source(MountPoint& mount, const std::vector<sys::MountInfo>& table) {
  if (mount.kind != MountPoint::Kind::bind) return {};
  const Fd source = TRY_WITHIN(sys::open(mount.source, O_PATH), "mounting {} at {}", mount.source, mount.target);
  const struct statfs fs = TRY(sys::statfs(source.ref()));
  const auto flags = static_cast<unsigned long>(fs.f_flags);
  if ((flags & ST_NOSUID) != 0) mount.locked.emplace_back("nosuid");
  if ((flags & ST_NODEV) != 0) mount.locked.emplace_back("nodev");
  if ((flags & ST_NOEXEC) != 0) mount.locked.emplace_back("noexec");
  if ((flags & ST_RDONLY) != 0) mount.writable = false;
  // The name by which mountinfo knows it.
  const sys::ProcFdPath self(source.ref());
  const std::string real = TRY(sys::readlink(FileAt{kWorkingDir, self.c_str()}));
  const std::string below = real == "/" ? real : real + "/";
  for (const sys::MountInfo& other : table)
    if (other.mount_point.starts_with(below) && other.mount_point != real) mount.has_submounts = true;
  return {};
}

}  // namespace acetate::sandbox
