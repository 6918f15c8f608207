#include "builder/sandbox/device_tree.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>

#include "base/log.h"
#include "base/sys/dir.h"
#include "base/sys/file.h"

namespace acetate::sandbox {

namespace {

class Walk {
 public:
  explicit Walk(std::span<const std::string_view> skipped) : skipped_(skipped) {}

  // `prefix`: empty, or what leads to `dir` with a slash at its end.
  Result<void> add(FdRef dir, const std::string& prefix) {
    return sys::read_dir(dir, [&](const sys::DirEntry& entry) {
      const std::string name(entry.name), path = prefix + name;
      if (prefix.empty() && std::ranges::find(skipped_, name) != skipped_.end()) return true;
      const FileAt at{dir, name.c_str()};
      const auto st = sys::stat(at);
      if (!st) return true;
      if (S_ISCHR(st->st_mode) || S_ISBLK(st->st_mode)) found_.push_back(path);
      if (S_ISDIR(st->st_mode)) descend(at, path);
      return true;
    });
  }
  std::vector<std::string> found() && {
    std::ranges::sort(found_);
    return std::move(found_);
  }

 private:
  void descend(FileAt at, const std::string& path) {
    auto dir = sys::open(at, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    auto added = dir ? add(dir->ref(), path + "/") : Result<void>(std::move(dir).error());
    if (!added) log::debug("devices in {} are left out: {}", path, added.error().message());
  }

  std::span<const std::string_view> skipped_;
  std::vector<std::string> found_;
};

}  // namespace

Result<std::vector<std::string>> list_devices(const std::string& directory, std::span<const std::string_view> skipped) {
  const Fd dir = TRY_WITHIN(sys::open(directory, O_RDONLY | O_DIRECTORY), "opening {}", directory);
  Walk walk(skipped);
  TRY_WITHIN(walk.add(dir.ref(), ""), "reading {}", directory);
  return std::move(walk).found();
}

}  // namespace acetate::sandbox
