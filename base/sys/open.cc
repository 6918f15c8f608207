#include "base/sys/open.h"

#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <deque>

#include "base/sys/call.h"

namespace acetate::sys {

namespace {

// Set once openat2 turned out to be missing (ENOSYS) or filtered by a seccomp profile (EPERM from a call that
// needs no privilege).
std::atomic<bool> openat2_missing{false};

Result<Fd> by_openat2(FdRef root, const RelPath& path, int flags, mode_t mode, Symlinks symlinks) {
  struct open_how how {};
  how.flags = static_cast<__u64>(flags | O_CLOEXEC);
  how.mode = (flags & (O_CREAT | __O_TMPFILE)) != 0 ? mode : 0;
  // RESOLVE_NO_SYMLINKS lets O_PATH|O_NOFOLLOW name a trailing symlink, which is what the contract says.
  how.resolve = RESOLVE_NO_MAGICLINKS |
                (symlinks == Symlinks::refuse ? RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS : RESOLVE_IN_ROOT);
  for (int attempt = 0;; ++attempt) {
    auto opened = checked(Call::openat2, [&] {
      return ::syscall(SYS_openat2, root.fd, path.c_str(), &how, sizeof how);
    });
    if (opened) return Fd(Adopt{}, static_cast<int>(*opened));
    if (!opened.error().is(EAGAIN) || attempt == 128) return std::move(opened).error();
  }
}

// The walk: `stack` holds the directories from the root to where we stand, `todo` the names still to go.
Result<Fd> by_walk(FdRef root, const RelPath& path, int flags, mode_t mode, Symlinks symlinks) {
  constexpr int kMostSymlinks = 40;  // MAXSYMLINKS of the kernel
  std::vector<Fd> stack;
  std::deque<std::string> todo;
  for (auto part : path.components()) todo.emplace_back(part);
  int followed = 0;
  auto here = [&] { return stack.empty() ? root : stack.back().ref(); };
  if (todo.empty()) return open(FileAt{root, "."}, flags, mode);
  for (;;) {
    const std::string name = std::move(todo.front());
    todo.pop_front();
    if (name == "..") {
      if (!stack.empty()) stack.pop_back();
      if (todo.empty()) return open(FileAt{here(), "."}, flags, mode);
      continue;
    }
    const bool last = todo.empty();
    if (symlinks == Symlinks::in_root && !(last && (flags & O_NOFOLLOW) != 0)) {
      auto target = readlink(FileAt{here(), name.c_str()});
      if (target) {
        if (++followed > kMostSymlinks) return Error(ELOOP);
        if (target->starts_with('/')) stack.clear();
        std::size_t end = target->size();
        while (end > 0) {  // its components go in front of what is left
          const std::size_t slash = target->rfind('/', end - 1);
          const std::size_t begin = slash == std::string::npos ? 0 : slash + 1;
          std::string part = target->substr(begin, end - begin);
          if (!part.empty() && part != ".") todo.push_front(std::move(part));
          if (begin == 0) break;
          end = begin - 1;
        }
        if (todo.empty()) return open(FileAt{here(), "."}, flags, mode);
        continue;
      }
      if (!target.error().is(EINVAL) && !(target.error().is(ENOENT) && last && (flags & O_CREAT) != 0))
        return std::move(target).error();
    }
    if (last) return open(FileAt{here(), name.c_str()}, flags | O_NOFOLLOW, mode);
    auto next = open(FileAt{here(), name.c_str()}, O_PATH | O_DIRECTORY | O_NOFOLLOW);
    if (!next) {
      // O_NOFOLLOW|O_DIRECTORY on a symlink says ENOTDIR; openat2 says ELOOP. Tell them apart as it does.
      if (next.error().is(ENOTDIR) && symlinks == Symlinks::refuse) {
        auto st = stat(FileAt{here(), name.c_str()});
        if (st && S_ISLNK(st->st_mode)) return Error(ELOOP);
      }
      return std::move(next).error();
    }
    stack.push_back(*std::move(next));
  }
}

}  // namespace

Result<Fd> open_beneath(FdRef root, const RelPath& path, int flags, mode_t mode, Symlinks symlinks) {
  if (!openat2_missing.load(std::memory_order_relaxed)) {
    auto opened = by_openat2(root, path, flags, mode, symlinks);
    if (opened || !(opened.error().is(ENOSYS) || opened.error().is(EPERM))) return opened;
    if (opened.error().is(EPERM)) {
      // EPERM may be the file's (O_NOATIME, immutable): the walk then says so too, and nothing is remembered.
      return by_walk(root, path, flags, mode, symlinks);
    }
    openat2_missing.store(true, std::memory_order_relaxed);
  }
  return by_walk(root, path, flags, mode, symlinks);
}

}  // namespace acetate::sys
