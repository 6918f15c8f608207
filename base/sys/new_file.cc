#include "base/sys/new_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <atomic>

#include "base/sys/file.h"

namespace acetate::sys {

Result<NewFile> NewFile::make(const std::string& path, mode_t mode) {
  static std::atomic<unsigned> counter{0};
  const auto slash = path.rfind('/');
  const std::string parent = slash == path.npos ? "." : path.substr(0, slash + 1);
  std::string name = slash == path.npos ? path : path.substr(slash + 1);
  if (name.empty()) return fail(EISDIR, "{} is the name of a directory and not of a file", path);
  if (const auto there = stat_following(path); there && !S_ISREG(there->st_mode)) {
    if (S_ISDIR(there->st_mode)) return fail(EISDIR, "{} is a directory", path);
    return NewFile(TRY(open(path, O_WRONLY)));
  }
  Fd dir = TRY(open(parent, O_RDONLY | O_DIRECTORY));
  std::string partial = fmt::format(".{}.{}-{}.partial", name, ::getpid(), counter.fetch_add(1));
  auto file = open(FileAt{dir.ref(), "."}, O_TMPFILE | O_WRONLY, mode);
  const bool has_name = !file;
  if (!file && !file.error().is(EOPNOTSUPP) && !file.error().is(EISDIR) && !file.error().is(ENOENT))
    return std::move(file).error();
  if (!file) file = open(FileAt{dir.ref(), partial.c_str()}, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, mode);
  if (!file) return std::move(file).error();
  return NewFile(std::move(dir), *std::move(file), std::move(name), std::move(partial), has_name);
}

NewFile::~NewFile() {
  if (dir_ && has_name_) (void)unlink(FileAt{dir_.ref(), partial_.c_str()});
}

Result<void> NewFile::commit() {
  if (!dir_) return {};
  TRY(fsync(file_.ref()));
  const FileAt partial{dir_.ref(), partial_.c_str()};
  if (!has_name_) {
    (void)unlink(partial);  // of somebody who was killed, and had our process id
    TRY(link(file_.ref(), partial));
    has_name_ = true;
  }
  TRY(rename(partial, FileAt{dir_.ref(), name_.c_str()}));
  has_name_ = false;
  return fsync(dir_.ref());
}

}  // namespace acetate::sys
