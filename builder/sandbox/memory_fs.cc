#include "builder/sandbox/memory_fs.h"

#include <sys/mount.h>

#include "base/log.h"
#include "base/sys/mount.h"

namespace acetate::sandbox {

Result<MemoryFs> MemoryFs::mount(const std::string& dir) {
  TRY_WITHIN(sys::mount("tmpfs", dir.c_str(), "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755"), "mounting a file system in memory");
  return MemoryFs(dir);
}

MemoryFs::~MemoryFs() {
  if (dir_.empty()) return;
  if (auto gone = sys::umount(dir_.c_str(), MNT_DETACH); !gone) log::warn("unmounting {}: {}", dir_, gone.error().message());
}

}  // namespace acetate::sandbox
