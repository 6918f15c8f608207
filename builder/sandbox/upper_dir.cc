#include "builder/sandbox/upper_dir.h"

#include <fcntl.h>

#include "base/sys/file.h"

namespace acetate::sandbox {

Result<void> make_upper_dir(const std::string& path) {
  const bool is_there = sys::stat_following(path).has_value();
  TRY_WITHIN(sys::make_dirs(path, 0755), "making {}", path);
  if (is_there) return {};
  const Fd dir = TRY(sys::open(path, O_PATH | O_DIRECTORY | O_NOFOLLOW));
  return sys::chmod(dir.ref(), 0755);
}

}  // namespace acetate::sandbox
