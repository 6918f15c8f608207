#include "builder/cache_mount.h"

#include <sys/file.h>
#include <sys/stat.h>

#include "base/scope.h"
#include "base/sys/file.h"

namespace acetate::build {

namespace {

// Of a directory that was made and not yet given away: who does so may be killed in between, and then the next one does it.
constexpr mode_t kUndressed = 01700;

std::string base_of(const std::string& build_dir, const Digest& id) { return fmt::format("{}/mounts/{}", build_dir, id.hex()); }

}  // namespace

bool CacheMount::exists(const std::string& build_dir, const Digest& id) { return sys::stat_following(base_of(build_dir, id) + "/0").has_value(); }

Result<bool> CacheMount::fill(const std::string& build_dir, const Digest& id, const std::function<Result<void>(const std::string& dir)>& fill) {
  const std::string base = base_of(build_dir, id), dir = base + "/0", partial = base + "/0.partial";
  if (sys::stat_following(dir)) return false;
  TRY(sys::make_dirs(base, 0700));
  const Fd lock = TRY(sys::open(dir + ".lock", O_RDWR | O_CREAT | O_NOFOLLOW, 0600));
  TRY(sys::flock(lock.ref(), LOCK_EX));
  if (sys::stat_following(dir)) return false;
  TRY(sys::remove_tree({kWorkingDir, partial.c_str()}));
  Undo remove{[&] { (void)sys::remove_tree({kWorkingDir, partial.c_str()}); }};
  TRY(sys::mkdir({kWorkingDir, partial.c_str()}, 0755));
  TRY(fill(partial));
  TRY(sys::rename({kWorkingDir, partial.c_str()}, {kWorkingDir, dir.c_str()}));
  remove.release();
  return true;
}

Result<CacheMount> CacheMount::open(const std::string& build_dir, const std::string& id, dockerfile::Mount::Sharing sharing, bool empty) {
  using Sharing = dockerfile::Mount::Sharing;
  const std::string base = base_of(build_dir, Digest::of(id));
  TRY_WITHIN(sys::make_dirs(base, 0700), "making the cache mount {}", id);
  for (unsigned number = 0;; ++number) {
    std::string dir = fmt::format("{}/{}", base, number);
    Fd lock = TRY_WITHIN(sys::open(dir + ".lock", O_RDWR | O_CREAT | O_NOFOLLOW, 0600), "locking the cache mount {}", id);
    // Alone for a moment: who cannot be so is not alone.
    if (empty && sys::flock(lock.ref(), LOCK_EX | LOCK_NB))
      TRY_WITHIN(sys::remove_tree({kWorkingDir, dir.c_str()}), "emptying the cache mount {}", id);
    const int how = sharing == Sharing::shared ? LOCK_SH : sharing == Sharing::locked ? LOCK_EX : LOCK_EX | LOCK_NB;
    auto locked = sys::flock(lock.ref(), how);
    if (!locked && locked.error().is(EWOULDBLOCK)) continue;
    if (!locked) return std::move(locked).error().within("locking the cache mount " + id);
    const timespec now[] = {{0, UTIME_NOW}, {0, UTIME_NOW}};
    TRY_WITHIN(sys::set_times(lock.ref(), now), "locking the cache mount {}", id);  // when it was used, for cache_prune.h
    if (auto made = sys::mkdir({kWorkingDir, dir.c_str()}, kUndressed); !made && !made.error().is(EEXIST))
      return std::move(made).error().within("making the cache mount " + id);
    const auto stat = TRY_WITHIN(sys::stat(FileAt{kWorkingDir, dir.c_str()}), "opening the cache mount {}", id);
    const bool is_new = (stat.st_mode & 07777) == kUndressed;
    return CacheMount(std::move(dir), std::move(lock), is_new);
  }
}

}  // namespace acetate::build
