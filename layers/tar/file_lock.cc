#include "layers/tar/file_lock.h"

#include <fcntl.h>
#include <sys/file.h>

#include "base/sys/file.h"
#include "base/sys/same_file.h"

namespace acetate {

Result<FileLock> FileLock::take(std::string path) {
  for (;;) {
    Fd fd = TRY(sys::open(path, O_RDWR | O_CREAT | O_NOFOLLOW, 0600));
    TRY(sys::flock(fd.ref(), LOCK_EX));
    // Whoever held it before us has removed the file; ours is the lock only if it is the one others will find.
    const auto ours = TRY(sys::stat(fd.ref()));
    const auto found = sys::stat(FileAt{kWorkingDir, path.c_str()});
    if (found && sys::is_same_file(*found, ours)) return FileLock(std::move(path), std::move(fd));
  }
}

FileLock::~FileLock() {
  if (fd_) (void)sys::unlink({kWorkingDir, path_.c_str()});
}

}  // namespace acetate
