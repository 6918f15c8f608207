// Mounting, and asking what is mounted where.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "base/fd.h"
#include "base/result.h"

namespace acetate::sys {

Result<void> mount(const char* source, const char* target, const char* type, unsigned long flags, const char* data);
Result<void> umount(const char* target, int flags);  // MNT_DETACH, UMOUNT_NOFOLLOW
Result<void> pivot_root(const char* new_root, const char* put_old);
Result<void> unshare(int flags);
// fchdir(2) and chroot(2): the directory becomes root and working directory of this thread, and of those that share theirs with it
// (all of the process, but for CLONE_FS).
Result<void> change_root(FdRef dir);
Result<void> setns(FdRef ns, int type);

// One line of /proc/self/mountinfo (proc(5)), with its octal escapes decoded.
struct MountInfo {
  int id = 0;
  dev_t device = 0;
  std::string root;
  std::string mount_point;
  std::string options;
  std::string type;
  std::string source;
};
std::vector<MountInfo> parse_mountinfo(std::string_view text);
Result<std::vector<MountInfo>> mounts();

}  // namespace acetate::sys
