// The file system calls, one function each: names relative to a directory descriptor, errors as values.
//
// None of these follows a symlink in the last component unless it says so. Those that take a descriptor
// accept O_PATH ones where the comment says so (they then go through /proc/self/fd).
#pragma once

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statfs.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/fd.h"
#include "base/result.h"

namespace acetate::sys {

// O_CLOEXEC is always added.
Result<Fd> open(FileAt at, int flags, mode_t mode = 0);
Result<Fd> open(const std::string& path, int flags, mode_t mode = 0);
// Opens again what an O_PATH descriptor stands for, with other flags. ELOOP for symlinks.
Result<Fd> reopen(FdRef fd, int flags);
Result<Fd> dup(FdRef fd);

// struct stat in full; for O_PATH descriptors too.
Result<struct stat> stat(FileAt at);
Result<struct stat> stat(FdRef fd);
Result<struct stat> stat_following(const std::string& path);
// The same with birth time and mount id, for whoever needs them.
Result<struct statx> statx(FileAt at, int flags, unsigned mask);
Result<struct statfs> statfs(FdRef fd);
Result<std::string> readlink(FileAt at);
Result<std::string> readlink(FdRef fd);  // an O_PATH|O_NOFOLLOW descriptor of a symlink

Result<void> mkdir(FileAt at, mode_t mode);
Result<void> mknod(FileAt at, mode_t mode, dev_t device);
Result<void> symlink(const char* target, FileAt at);
Result<void> link(FileAt from, FileAt to);
// Gives an O_TMPFILE descriptor, or what an O_PATH one stands for, a name.
Result<void> link(FdRef from, FileAt to);
Result<void> unlink(FileAt at);
Result<void> rmdir(FileAt at);
// flags: RENAME_NOREPLACE, RENAME_EXCHANGE, RENAME_WHITEOUT. EINVAL where the file system lacks them.
Result<void> rename(FileAt from, FileAt to, unsigned flags = 0);

Result<void> chown(FileAt at, uid_t uid, gid_t gid);
Result<void> chown(FdRef fd, uid_t uid, gid_t gid);  // O_PATH too
// Follows nothing: EOPNOTSUPP for a symlink.
Result<void> chmod(FdRef fd, mode_t mode);  // O_PATH too
Result<void> set_times(FileAt at, const struct timespec times[2]);
Result<void> set_times(FdRef fd, const struct timespec times[2]);  // O_PATH too

// Removes what stands at `at`, with everything below it. Never follows a symlink and never leaves the file
// system it began on (EXDEV). ENOENT is success. A directory keeps the mode it has for those who have it open.
Result<void> remove_tree(FileAt at);

// mkdir -p of an absolute or relative path; what exists already is success.
Result<void> make_dirs(const std::string& path, mode_t mode);

// Reads until `into` is full or the file ends; the count read.
Result<std::size_t> pread_full(FdRef fd, std::span<std::byte> into, std::uint64_t offset);
Result<std::size_t> pread(FdRef fd, std::span<std::byte> into, std::uint64_t offset);
// As much as can be read without waiting for a disk or a server: fewer bytes, or none, elsewhere than at the end; none where the file system cannot
// tell, unless it is memory. RWF_NOWAIT, preadv2(2).
Result<std::size_t> pread_nowait(FdRef fd, std::span<std::byte> into, std::uint64_t offset);
Result<std::size_t> read(FdRef fd, std::span<std::byte> into);
Result<std::size_t> pwrite(FdRef fd, std::span<const std::byte> from, std::uint64_t offset);
// Write everything or fail.
Result<void> pwrite_full(FdRef fd, std::span<const std::byte> from, std::uint64_t offset);
Result<void> write_full(FdRef fd, std::span<const std::byte> from);
Result<void> write_full(FdRef fd, std::string_view text);
// The whole of a file; EFBIG past `limit` bytes.
Result<std::string> read_all(FdRef fd, std::size_t limit);
Result<std::string> read_file(const std::string& path, std::size_t limit);

Result<void> truncate(FdRef fd, std::uint64_t size);
Result<void> fallocate(FdRef fd, int mode, std::uint64_t offset, std::uint64_t length);
Result<std::uint64_t> lseek(FdRef fd, std::int64_t offset, int whence);
Result<void> fsync(FdRef fd);
Result<void> fdatasync(FdRef fd);
Result<void> syncfs(FdRef fd);
Result<void> flock(FdRef fd, int operation);  // EWOULDBLOCK with LOCK_NB

// A file that appears whole or not at all: written under a name nobody looks up, synced, renamed over
// `at`, directory synced. Any error leaves what stood there before and no debris.
Result<void> write_file_atomically(FileAt at, std::string_view content, mode_t mode);

// "/proc/self/fd/N", the one path that means an O_PATH descriptor to calls which take only paths.
struct ProcFdPath {
  explicit ProcFdPath(FdRef fd) noexcept;
  const char* c_str() const noexcept { return text; }
  char text[32];
};

}  // namespace acetate::sys
