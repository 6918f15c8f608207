#include "cli/give_tree.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <string_view>
#include <system_error>
#include <vector>

#include "base/sys/dir.h"
#include "base/sys/file.h"

namespace acetate::cli {

namespace {

bool is_of_the_machine(const std::string& path) {
  static constexpr std::array<std::string_view, 22> kPlaces = {"/",     "/bin", "/boot", "/dev", "/etc", "/home", "/lib",     "/lib32",   "/lib64",   "/libx32", "/media",
                                                              "/mnt",  "/opt", "/proc", "/root", "/run", "/sbin", "/srv",     "/sys",     "/tmp",     "/usr",    "/var"};
  return std::ranges::find(kPlaces, path) != kPlaces.end() || path.starts_with("/proc/") || path.starts_with("/sys/") || path.starts_with("/dev/");
}

struct Owner {
  uid_t uid;
  gid_t gid;
};

// A descriptor a level is held, so that nobody can put a symlink in the way.
Result<void> give(FileAt at, const Owner& to, const std::string& path) {
  const struct stat st = TRY_WITHIN(sys::stat(at), "{}", path);
  if (S_ISDIR(st.st_mode)) {
    const Fd dir = TRY_WITHIN(sys::open(at, O_RDONLY | O_DIRECTORY | O_NOFOLLOW), "{}", path);
    std::vector<std::string> names;
    TRY_WITHIN(sys::read_dir(dir.ref(),
                             [&](const sys::DirEntry& entry) {
                               if (entry.name != "." && entry.name != "..") names.emplace_back(entry.name);
                               return true;
                             }),
               "{}", path);
    for (const std::string& name : names) TRY(give(FileAt{dir.ref(), name.c_str()}, to, path + "/" + name));
  }
  if (st.st_uid == to.uid && st.st_gid == to.gid) return {};
  return TRY_WITHIN(sys::chown(at, to.uid, to.gid), "{}", path);
}

}  // namespace

Result<void> give_tree(const std::string& path, uid_t uid, gid_t gid) {
  std::error_code failed;
  const std::filesystem::path real = std::filesystem::canonical(path, failed);
  if (failed) return fail(failed.value(), "{}", path);
  if (is_of_the_machine(real)) return fail(EINVAL, "{} is not given to anybody: the machine lives by it", real.string());
  const std::string whole = real.string();
  return TRY_WITHIN(give(FileAt{kWorkingDir, whole.c_str()}, {uid, gid}, whole), "giving {} to the container's user", path);
}

}  // namespace acetate::cli
