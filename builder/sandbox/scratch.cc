#include "builder/sandbox/scratch.h"

#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <ctime>
#include <vector>

#include "base/log.h"
#include "base/sys/dir.h"
#include "base/sys/file.h"
#include "base/sys/spread.h"

namespace acetate::sandbox {

namespace {

constexpr const char* kPrefix = "run-";
constexpr const char* kLock = ".lock";
constexpr const char* kLockToBe = ".lock.new";

// Without a lock it is just being made or removed, or was left in the midst of that. Making one takes an instant, so that after a minute there is nobody; and
// what is still being removed is not empty.
Result<void> sweep_unlocked(FdRef base, const std::string& name, FdRef dir) {
  constexpr std::time_t kInstant = 60;
  if (TRY(sys::stat(dir)).st_mtim.tv_sec > std::time(nullptr) - kInstant) return {};
  if (const auto lock = sys::open({dir, kLockToBe}, O_RDWR | O_NOFOLLOW)) {
    TRY(sys::flock(lock->ref(), LOCK_EX | LOCK_NB));
    TRY(sys::unlink({dir, kLockToBe}));
  }
  return sys::rmdir({base, name.c_str()});
}

// Removes one leftover, if its owner is gone.
Result<void> sweep_one(FdRef base, const std::string& name, const std::function<void()>& before_removal) {
  const Fd dir = TRY(sys::open({base, name.c_str()}, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
  auto lock = sys::open({dir.ref(), kLock}, O_RDWR | O_NOFOLLOW);
  if (!lock) return lock.error().is(ENOENT) ? sweep_unlocked(base, name, dir.ref()) : Result<void>(std::move(lock).error());
  TRY(sys::flock(lock->ref(), LOCK_EX | LOCK_NB));
  if (TRY(sys::stat(lock->ref())).st_nlink == 0) return {};  // its owner has just removed it
  before_removal();
  return sys::remove_tree({base, name.c_str()});
}

Result<void> sweep_all(FdRef base, const std::string& path, const Scratch::BeforeRemoval& before_removal) {
  std::vector<std::string> names;
  const Fd dir = TRY(sys::reopen(base, O_RDONLY | O_DIRECTORY));
  TRY(sys::read_dir(dir.ref(), [&](const sys::DirEntry& entry) {
    if (entry.name.starts_with(kPrefix)) names.emplace_back(entry.name);
    return true;
  }));
  for (const std::string& name : names) {
    auto tell = [&] {
      if (before_removal) before_removal(path + "/" + name);
    };
    if (auto swept = sweep_one(base, name, tell); !swept)
      log::debug("leaving {} where it is: {}", name, swept.error().message());
  }
  return {};
}

}  // namespace

Result<Scratch> Scratch::make(const std::string& base, const BeforeRemoval& before_removal) {
  TRY(sys::make_dirs(base, 0700));
  const Fd at = TRY_WITHIN(sys::open(base, O_PATH | O_DIRECTORY), "opening {}", base);
  // Below /tmp anybody could have made it first.
  if (const struct stat st = TRY(sys::stat(at.ref())); st.st_uid != ::geteuid() || (st.st_mode & 022) != 0)
    return fail(EPERM, "{} is writable by others or not ours: remove it, or set TMPDIR", base);
  // Trees of steps come and go. In the block group of a directory ext4 passes over the inodes that were freed a short while ago, one after the other for each new file: a step
  // of thousands of files would pay for those of the one before.
  if (const auto dir = sys::reopen(at.ref(), O_RDONLY | O_DIRECTORY); dir)
    if (auto spread = sys::spread_directories(dir->ref()); !spread) log::debug("{} is kept together: {}", base, spread.error().message());
  TRY_WITHIN(sweep_all(at.ref(), base, before_removal), "reading {}", base);
  return make_in(base, kPrefix);
}

void Scratch::sweep(const std::string& base, const BeforeRemoval& before_removal) {
  const auto at = sys::open(base, O_PATH | O_DIRECTORY);
  if (!at) return;
  if (auto swept = sweep_all(at->ref(), base, before_removal); !swept) log::debug("reading {}: {}", base, swept.error().message());
}

Result<Scratch> Scratch::temporary() {
  // After su and sudo TMPDIR is often another's, or of a session that is over.
  const char* base = ::getenv("TMPDIR");
  if (base != nullptr && *base == '/')
    if (auto made = make_in(base, "acetate-")) return made;
  return make_in("/tmp", "acetate-");
}

Result<Scratch> Scratch::make_in(const std::string& dir, const char* prefix) {
  std::string path = fmt::format("{}/{}XXXXXX", dir, prefix);
  if (::mkdtemp(path.data()) == nullptr) return Error(errno).within(fmt::format("making a directory in {}", dir));
  // Locked before it has the name by which others find it: who sweeps meanwhile must not be first.
  const std::string made = fmt::format("{}/{}", path, kLockToBe), name = fmt::format("{}/{}", path, kLock);
  Fd lock = TRY_WITHIN(sys::open(made, O_RDWR | O_CREAT | O_EXCL, 0600), "making {}", made);
  TRY_WITHIN(sys::flock(lock.ref(), LOCK_EX | LOCK_NB), "locking {}", made);
  TRY_WITHIN(sys::rename({kWorkingDir, made.c_str()}, {kWorkingDir, name.c_str()}), "making {}", name);
  return Scratch(std::move(path), std::move(lock));
}

Scratch::Scratch(Scratch&& other) noexcept
    : path_(std::exchange(other.path_, {})), lock_(std::move(other.lock_)) {}

Scratch& Scratch::operator=(Scratch&& other) noexcept {
  Scratch moved(std::move(other));
  std::swap(path_, moved.path_);
  std::swap(lock_, moved.lock_);
  return *this;
}

Scratch::~Scratch() {
  if (path_.empty()) return;
  if (auto removed = sys::remove_tree({kWorkingDir, path_.c_str()}); !removed)
    log::warn("{} could not be removed: {}", path_, removed.error().message());
}

}  // namespace acetate::sandbox
