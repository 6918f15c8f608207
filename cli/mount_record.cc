#include "cli/mount_record.h"

#include <fcntl.h>
#include <sys/file.h>

#include "base/digest.h"
#include "base/sys/file.h"

namespace acetate::cli {

namespace {

std::string record_path(const Paths& paths, const std::string& target) {
  return fmt::format("{}/mount-{}", paths.runtime, Digest::of(target).hex().substr(0, 24));
}

}  // namespace

Result<Fd> make_mount_record(const Paths& paths, const std::string& target) {
  TRY(prepare_runtime_dir(paths));
  const std::string path = record_path(paths, target);
  // A new file each time: the old one may still be locked, by a daemon whose mount was detached while in use.
  if (auto gone = sys::unlink(FileAt{kWorkingDir, path.c_str()}); !gone && !gone.error().is(ENOENT))
    return std::move(gone).error().within("removing " + path);
  Fd record = TRY_WITHIN(sys::open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0600), "making {}", path);
  TRY_WITHIN(sys::flock(record.ref(), LOCK_EX), "locking {}", path);
  return record;
}

Result<void> wait_for_daemon(const Paths& paths, const std::string& target) {
  const std::string path = record_path(paths, target);
  const auto record = sys::open(path, O_RDONLY | O_NOFOLLOW);
  if (!record && record.error().is(ENOENT)) return {};
  if (!record) return record.error().clone().within("opening " + path);
  TRY_WITHIN(sys::flock(record->ref(), LOCK_EX), "waiting for the daemon of {} to end", target);
  if (auto gone = sys::unlink(FileAt{kWorkingDir, path.c_str()}); !gone && !gone.error().is(ENOENT))
    return std::move(gone).error().within("removing " + path);
  return {};
}

}  // namespace acetate::cli
