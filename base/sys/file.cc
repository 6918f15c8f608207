#include "base/sys/file.h"

#include <linux/magic.h>
#include <sys/file.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <limits>
#include <vector>

#include "base/scope.h"
#include "base/sys/cache_file.h"
#include "base/sys/call.h"
#include "base/sys/dir.h"

namespace acetate::sys {

ProcFdPath::ProcFdPath(FdRef fd) noexcept { std::snprintf(text, sizeof text, "/proc/self/fd/%d", fd.fd); }

Result<Fd> open(FileAt at, int flags, mode_t mode) {
  return Fd(Adopt{}, TRY(checked(Call::openat,
                                 [&] { return ::openat(at.dir.fd, at.name, flags | O_CLOEXEC, mode); })));
}

Result<Fd> open(const std::string& path, int flags, mode_t mode) {
  return open(FileAt{kWorkingDir, path.c_str()}, flags, mode);
}

Result<Fd> reopen(FdRef fd, int flags) {
  const ProcFdPath path(fd);
  return open(FileAt{kWorkingDir, path.c_str()}, flags & ~O_NOFOLLOW);
}

Result<Fd> dup(FdRef fd) {
  return Fd(Adopt{}, TRY(checked(Call::dup, [&] { return ::fcntl(fd.fd, F_DUPFD_CLOEXEC, 3); })));
}

Result<struct stat> stat(FileAt at) {
  struct stat out;
  TRY(done(Call::statx, [&] { return ::fstatat(at.dir.fd, at.name, &out, AT_SYMLINK_NOFOLLOW); }));
  return out;
}

Result<struct stat> stat(FdRef fd) {
  struct stat out;
  TRY(done(Call::statx, [&] { return ::fstatat(fd.fd, "", &out, AT_EMPTY_PATH); }));
  return out;
}

Result<struct stat> stat_following(const std::string& path) {
  struct stat out;
  TRY(done(Call::statx, [&] { return ::stat(path.c_str(), &out); }));
  return out;
}

Result<struct statx> statx(FileAt at, int flags, unsigned mask) {
  struct statx out;
  TRY(done(Call::statx, [&] { return ::statx(at.dir.fd, at.name, flags, mask, &out); }));
  return out;
}

Result<struct statfs> statfs(FdRef fd) {
  struct statfs out;
  TRY(done(Call::fstatfs, [&] { return ::fstatfs(fd.fd, &out); }));
  return out;
}

Result<std::string> readlink(FileAt at) {
  // Linux targets are below PATH_MAX, but a file system of somebody's own may lie about it: grow.
  for (std::size_t size = 256;; size *= 2) {
    std::string target(size, '\0');
    const auto length =
        TRY(checked(Call::readlinkat, [&] { return ::readlinkat(at.dir.fd, at.name, target.data(), size); }));
    if (static_cast<std::size_t>(length) < size) {
      target.resize(static_cast<std::size_t>(length));
      return target;
    }
    if (size > (1U << 20)) return Error(ENAMETOOLONG);
  }
}

Result<std::string> readlink(FdRef fd) { return readlink(FileAt{fd, ""}); }

Result<void> mkdir(FileAt at, mode_t mode) {
  return done(Call::mkdirat, [&] { return ::mkdirat(at.dir.fd, at.name, mode); });
}

Result<void> mknod(FileAt at, mode_t mode, dev_t device) {
  return done(Call::mknodat, [&] { return ::mknodat(at.dir.fd, at.name, mode, device); });
}

Result<void> symlink(const char* target, FileAt at) {
  return done(Call::symlinkat, [&] { return ::symlinkat(target, at.dir.fd, at.name); });
}

Result<void> link(FileAt from, FileAt to) {
  return done(Call::linkat, [&] { return ::linkat(from.dir.fd, from.name, to.dir.fd, to.name, 0); });
}

Result<void> link(FdRef from, FileAt to) {
  // AT_EMPTY_PATH wants CAP_DAC_READ_SEARCH before Linux 6.10; the /proc way needs nothing.
  const ProcFdPath path(from);
  return done(Call::linkat,
              [&] { return ::linkat(AT_FDCWD, path.c_str(), to.dir.fd, to.name, AT_SYMLINK_FOLLOW); });
}

Result<void> unlink(FileAt at) {
  return done(Call::unlinkat, [&] { return ::unlinkat(at.dir.fd, at.name, 0); });
}

Result<void> rmdir(FileAt at) {
  return done(Call::unlinkat, [&] { return ::unlinkat(at.dir.fd, at.name, AT_REMOVEDIR); });
}

Result<void> rename(FileAt from, FileAt to, unsigned flags) {
  return done(Call::renameat2, [&] {
    return ::syscall(SYS_renameat2, from.dir.fd, from.name, to.dir.fd, to.name, flags);
  });
}

Result<void> chown(FileAt at, uid_t uid, gid_t gid) {
  return done(Call::fchownat, [&] { return ::fchownat(at.dir.fd, at.name, uid, gid, AT_SYMLINK_NOFOLLOW); });
}

Result<void> chown(FdRef fd, uid_t uid, gid_t gid) {
  return done(Call::fchownat, [&] { return ::fchownat(fd.fd, "", uid, gid, AT_EMPTY_PATH); });
}

Result<void> chmod(FdRef fd, mode_t mode) {
  const ProcFdPath path(fd);
  return done(Call::fchmodat, [&] { return ::fchmodat(AT_FDCWD, path.c_str(), mode, 0); });
}

Result<void> set_times(FileAt at, const struct timespec times[2]) {
  return done(Call::utimensat, [&] { return ::utimensat(at.dir.fd, at.name, times, AT_SYMLINK_NOFOLLOW); });
}

Result<void> set_times(FdRef fd, const struct timespec times[2]) {
  // utimensat() with AT_EMPTY_PATH came with Linux 5.8; the /proc way is as old as /proc.
  const ProcFdPath path(fd);
  return done(Call::utimensat, [&] { return ::utimensat(AT_FDCWD, path.c_str(), times, 0); });
}

namespace {

Result<void> remove_dir(FileAt at, dev_t device);

// Precondition: `dir` is a directory on `device`. Empties it.
Result<void> empty_dir(FdRef dir, dev_t device) {
  // Names are collected first: removing while reading is allowed to skip entries.
  std::vector<std::string> names;
  TRY(read_dir(dir, [&](const DirEntry& entry) {
    names.emplace_back(entry.name);
    return true;
  }));
  for (const std::string& name : names) {
    const FileAt at{dir, name.c_str()};
    auto removed = unlink(at);
    if (removed || removed.error().is(ENOENT)) continue;
    // EISDIR on Linux; POSIX lets unlink of a directory say EPERM.
    if (!removed.error().is(EISDIR) && !removed.error().is(EPERM)) return std::move(removed).error();
    TRY(remove_dir(at, device));
  }
  return {};
}

Result<void> remove_dir(FileAt at, dev_t device) {
  const Fd path = TRY(open(at, O_PATH | O_NOFOLLOW | O_DIRECTORY));
  const struct stat st = TRY(stat(path.ref()));
  if (st.st_dev != device) return Error(EXDEV);
  const auto empty = [&]() -> Result<void> {
    const Fd dir = TRY(reopen(path.ref(), O_RDONLY | O_DIRECTORY));
    return empty_dir(dir.ref(), device);
  };
  auto emptied = empty();
  if (!emptied && emptied.error().is(EACCES) && (st.st_mode & 0700) != 0700) {
    // A directory its owner may not read or change: ours to open up, since it goes away. Who has it open sees its own mode after.
    TRY(chmod(path.ref(), (st.st_mode & 07777) | 0700));
    emptied = empty();
    TRY(chmod(path.ref(), st.st_mode & 07777));
  }
  TRY(std::move(emptied));
  return rmdir(at);
}

}  // namespace

Result<void> remove_tree(FileAt at) {
  auto removed = unlink(at);
  if (removed || removed.error().is(ENOENT)) return {};
  if (!removed.error().is(EISDIR) && !removed.error().is(EPERM)) return removed;
  removed = rmdir(at);
  if (removed || (!removed.error().is(ENOTEMPTY) && !removed.error().is(EEXIST))) return removed;
  return remove_dir(at, TRY(stat(at)).st_dev);
}

Result<void> make_dirs(const std::string& path, mode_t mode) {
  for (std::size_t slash = path.find('/', 1);; slash = path.find('/', slash + 1)) {
    const std::string part = path.substr(0, slash);
    if (!part.empty()) {
      auto made = mkdir(FileAt{kWorkingDir, part.c_str()}, mode);
      if (!made && !made.error().is(EEXIST))
        return std::move(made).error().within(fmt::format("creating directory {}", part));
    }
    if (slash == std::string::npos) break;
  }
  if (!S_ISDIR(TRY(stat_following(path)).st_mode)) return fail(ENOTDIR, "{} is not a directory", path);
  return {};
}

Result<std::size_t> pread(FdRef fd, std::span<std::byte> into, std::uint64_t offset) {
  if (offset > static_cast<std::uint64_t>(std::numeric_limits<off_t>::max())) return Error(EINVAL);
  const auto count = TRY(checked(Call::pread, [&] {
    return ::pread(fd.fd, into.data(), into.size(), static_cast<off_t>(offset));
  }));
  return static_cast<std::size_t>(count);
}

Result<std::size_t> pread_nowait(FdRef fd, std::span<std::byte> into, std::uint64_t offset) {
  if (offset > static_cast<std::uint64_t>(std::numeric_limits<off_t>::max())) return Error(EINVAL);
  const iovec part{.iov_base = into.data(), .iov_len = into.size()};
  const auto count = checked(Call::preadv2, [&] { return ::preadv2(fd.fd, &part, 1, static_cast<off_t>(offset), RWF_NOWAIT); });
  if (count) return static_cast<std::size_t>(*count);
  if (count.error().is(EAGAIN) || count.error().is(ENOSYS)) return std::size_t{0};
  if (count.error().is(EOPNOTSUPP)) {
    const auto space = statfs(fd);
    return space && space->f_type == TMPFS_MAGIC ? pread(fd, into, offset) : Result<std::size_t>(0);
  }
  return Error(count.error().code());
}

Result<std::size_t> pread_full(FdRef fd, std::span<std::byte> into, std::uint64_t offset) {
  std::size_t total = 0;
  while (total < into.size()) {
    const std::size_t count = TRY(pread(fd, into.subspan(total), offset + total));
    if (count == 0) break;
    total += count;
  }
  return total;
}

Result<std::size_t> read(FdRef fd, std::span<std::byte> into) {
  const auto count = TRY(checked(Call::read, [&] { return ::read(fd.fd, into.data(), into.size()); }));
  return static_cast<std::size_t>(count);
}

Result<std::size_t> pwrite(FdRef fd, std::span<const std::byte> from, std::uint64_t offset) {
  if (offset > static_cast<std::uint64_t>(std::numeric_limits<off_t>::max())) return Error(EFBIG);
  const auto count = TRY(checked(Call::pwrite, [&] {
    return ::pwrite(fd.fd, from.data(), from.size(), static_cast<off_t>(offset));
  }));
  return static_cast<std::size_t>(count);
}

Result<void> pwrite_full(FdRef fd, std::span<const std::byte> from, std::uint64_t offset) {
  while (!from.empty()) {
    const std::size_t count = TRY(pwrite(fd, from, offset));
    from = from.subspan(count);
    offset += count;
  }
  return {};
}

Result<void> write_full(FdRef fd, std::span<const std::byte> from) {
  while (!from.empty()) {
    const auto count = TRY(checked(Call::write, [&] { return ::write(fd.fd, from.data(), from.size()); }));
    from = from.subspan(static_cast<std::size_t>(count));
  }
  return {};
}

Result<void> write_full(FdRef fd, std::string_view text) {
  return write_full(fd, std::as_bytes(std::span(text.data(), text.size())));
}

Result<std::string> read_all(FdRef fd, std::size_t limit) {
  std::string content;
  std::array<char, 65536> buffer;
  for (;;) {
    const std::size_t count = TRY(read(fd, std::as_writable_bytes(std::span(buffer))));
    if (count == 0) return content;
    if (content.size() + count > limit) return Error(EFBIG);
    content.append(buffer.data(), count);
  }
}

Result<std::string> read_file(const std::string& path, std::size_t limit) {
  const Fd fd = TRY_WITHIN(open(path, O_RDONLY), "opening {}", path);
  return TRY_WITHIN(read_all(fd.ref(), limit), "reading {}", path);
}

Result<void> truncate(FdRef fd, std::uint64_t size) {
  if (size > static_cast<std::uint64_t>(std::numeric_limits<off_t>::max())) return Error(EFBIG);
  return done(Call::ftruncate, [&] { return ::ftruncate(fd.fd, static_cast<off_t>(size)); });
}

Result<void> fallocate(FdRef fd, int mode, std::uint64_t offset, std::uint64_t length) {
  return done(Call::fallocate, [&] {
    return ::fallocate(fd.fd, mode, static_cast<off_t>(offset), static_cast<off_t>(length));
  });
}

Result<std::uint64_t> lseek(FdRef fd, std::int64_t offset, int whence) {
  return static_cast<std::uint64_t>(TRY(checked(Call::lseek, [&] { return ::lseek(fd.fd, offset, whence); })));
}

Result<void> fsync(FdRef fd) {
  return done(Call::fsync, [&] { return ::fsync(fd.fd); });
}
Result<void> fdatasync(FdRef fd) {
  return done(Call::fdatasync, [&] { return ::fdatasync(fd.fd); });
}
Result<void> syncfs(FdRef fd) {
  return done(Call::syncfs, [&] { return ::syncfs(fd.fd); });
}
Result<void> flock(FdRef fd, int operation) {
  return done(Call::flock, [&] { return ::flock(fd.fd, operation); });
}

namespace {

enum class Sync { yes, no };

Result<void> write_beside(FileAt at, std::string_view content, mode_t mode, Sync sync) {
  // Beside what it will replace, whatever path leads there.
  const std::string_view whole = at.name;
  const std::size_t slash = whole.rfind('/');
  const std::string_view folder = slash == std::string_view::npos ? std::string_view() : whole.substr(0, slash + 1);
  const std::string_view name = whole.substr(folder.size());
  std::string temporary;
  Fd file;
  for (unsigned attempt = 0;; ++attempt) {
    temporary = fmt::format("{}.{}.{}.{}.tmp", folder, name, ::getpid(), attempt);
    auto opened = open(FileAt{at.dir, temporary.c_str()}, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, mode);
    if (opened) {
      file = *std::move(opened);
      break;
    }
    if (!opened.error().is(EEXIST) || attempt == 1000) return std::move(opened).error();
  }
  Undo undo([&] { ::unlinkat(at.dir.fd, temporary.c_str(), 0); });
  TRY(write_full(file.ref(), content));
  if (sync == Sync::yes) TRY(fsync(file.ref()));
  TRY(rename(FileAt{at.dir, temporary.c_str()}, at));
  undo.release();
  if (sync == Sync::yes && at.dir.fd != kWorkingDir.fd) {
    // A directory that cannot be synced (some network file systems) still holds the new file.
    if (auto dir = reopen(at.dir, O_RDONLY | O_DIRECTORY)) (void)fsync(dir->ref());
  }
  return {};
}

}  // namespace

Result<void> write_file_atomically(FileAt at, std::string_view content, mode_t mode) { return write_beside(at, content, mode, Sync::yes); }

Result<void> write_cache_file(FileAt at, std::string_view content, mode_t mode) { return write_beside(at, content, mode, Sync::no); }

}  // namespace acetate::sys
