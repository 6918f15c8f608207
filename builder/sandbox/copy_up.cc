#include "builder/sandbox/copy_up.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <string>
#include <vector>

#include "base/sys/copy.h"
#include "base/sys/dir.h"
#include "base/sys/file.h"

namespace acetate::sandbox {

namespace {

// Owner before mode: whoever gives a file away takes its set-user-ID bit from it.
Result<void> dress(FdRef made, const struct stat& like) {
  TRY(sys::chown(made, like.st_uid, like.st_gid));
  return sys::chmod(made, like.st_mode & 07777);
}

Result<void> copy_entry(FileAt from, FileAt into) {
  const struct stat like = TRY(sys::stat(from));
  if (S_ISLNK(like.st_mode)) {
    TRY(sys::symlink(TRY(sys::readlink(from)).c_str(), into));
    const Fd link = TRY(sys::open(into, O_PATH | O_NOFOLLOW));
    return sys::chown(link.ref(), like.st_uid, like.st_gid);
  }
  if (S_ISDIR(like.st_mode)) {
    TRY(sys::mkdir(into, 0700));
    const Fd made = TRY(sys::open(into, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
    const Fd below = TRY(sys::open(from, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
    TRY(copy_up(below.ref(), made.ref()));
    return dress(made.ref(), like);
  }
  if (!S_ISREG(like.st_mode)) return {};
  const Fd file = TRY(sys::open(from, O_RDONLY | O_NOFOLLOW));
  const Fd made = TRY(sys::open(into, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600));
  TRY(sys::copy_file(file.ref(), made.ref()));
  return dress(made.ref(), like);
}

}  // namespace

Result<void> copy_up(FdRef from, FdRef into) {
  std::vector<std::string> names;
  TRY(sys::read_dir(from, [&](const sys::DirEntry& entry) {
    names.emplace_back(entry.name);
    return true;
  }));
  for (const std::string& name : names) TRY(copy_entry({from, name.c_str()}, {into, name.c_str()}));
  return {};
}

}  // namespace acetate::sandbox
