#include "builder/sandbox/scratch.h"

#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <vector>

#include "base/log.h"
#include "base/sys/dir.h"
#include "base/sys/file.h"

namespace acetate::sandbox {

namespace {

constexpr const char* kPrefix = "run-";
constexpr const char* kLock = ".lock";

// Removes one leftover, if its owner is gone.
Result<void> sweep_one(FdRef base, const std::string& name, const std::function<void()>& before_removal) {
  const Fd dir = TRY(sys::open({base, name.c_str()}, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
  // Without a lock it is just being made (or was left in that instant; then it is empty, and rmdir gets it).
  auto lock = sys::open({dir.ref(), kLock}, O_RDWR | O_NOFOLLOW);
  if (!lock) return lock.error().is(ENOENT) ? Result<void>() : Result<void>(std::move(lock).error());
  TRY(sys::flock(lock->ref(), LOCK_EX | LOCK_NB));
  before_removal();
  return sys::remove_tree({base, name.c_str()});
}

Result<void> sweep(FdRef base, const std::string& path, const Scratch::BeforeRemoval& before_removal) {
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
  TRY_WITHIN(sweep(at.ref(), base, before_removal), "reading {}", base);
  return make_in(base, kPrefix);
}

Result<Scratch> Scratch::temporary() {
  const char* base = ::getenv("TMPDIR");
  return make_in(base != nullptr && *base == '/' ? base : "/tmp", "acetate-");
}

Result<Scratch> Scratch::make_in(const std::string& dir, const char* prefix) {
  std::string path = fmt::format("{}/{}XXXXXX", dir, prefix);
  if (::mkdtemp(path.data()) == nullptr) return Error(errno).within(fmt::format("making a directory in {}", dir));
  Fd lock = TRY_WITHIN(sys::open(path + "/" + kLock, O_RDWR | O_CREAT | O_EXCL, 0600), "making {}/{}", path, kLock);
  TRY_WITHIN(sys::flock(lock.ref(), LOCK_EX | LOCK_NB), "locking {}/{}", path, kLock);
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
