#include "cli/give_tree.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <system_error>
#include <vector>

#include "base/rel_path.h"
#include "base/sys/dir.h"
#include "base/sys/file.h"
#include "base/sys/open.h"
#include "base/sys/same_file.h"

namespace acetate::cli {

namespace {

// A descriptor a directory is held on the way down.
constexpr unsigned kMostDeep = 500;

bool is_lived_by(const struct stat& st) {
  static constexpr std::array kPlaces = {"/",      "/bin",     "/boot",    "/dev",  "/etc",  "/etc/passwd", "/etc/group", "/etc/shadow", "/etc/pki", "/etc/ssl", "/home",
                                         "/lib",   "/lib32",   "/lib64",   "/libx32", "/media", "/mnt",     "/opt",       "/proc",       "/root",    "/run",     "/sbin",
                                         "/srv",   "/sys",     "/tmp",     "/usr",  "/usr/bin", "/usr/lib", "/usr/local", "/usr/sbin",   "/usr/share", "/var",   "/var/lib",
                                         "/var/log", "/var/tmp"};
  const auto is = [&](const char* place) {
    const auto there = sys::stat_following(place);
    return there && sys::is_same_file(*there, st);
  };
  for (const char* place : kPlaces)
    if (is(place)) return true;
  const char* home = ::getenv("HOME");
  return home != nullptr && *home != '\0' && is(home);
}

struct Owner {
  uid_t uid;
  gid_t gid;
  dev_t device;  // of the file system that is given
};

// By descriptors alone, so that nobody can put another thing in the place of one that was looked at.
Result<void> give(FdRef object, const struct stat& st, const Owner& to, const std::string& path, unsigned depth) {
  if (st.st_dev != to.device || S_ISBLK(st.st_mode) || S_ISCHR(st.st_mode)) return {};
  if (S_ISDIR(st.st_mode)) {
    if (depth == kMostDeep) return fail(EINVAL, "{} lies too deep", path);
    const Fd dir = TRY_WITHIN(sys::open(FileAt{object, "."}, O_RDONLY | O_DIRECTORY), "{}", path);
    std::vector<std::string> names;
    TRY_WITHIN(sys::read_dir(dir.ref(),
                             [&](const sys::DirEntry& entry) {
                               names.emplace_back(entry.name);
                               return true;
                             }),
               "{}", path);
    for (const std::string& name : names) {
      const auto below = sys::open(FileAt{dir.ref(), name.c_str()}, O_PATH | O_NOFOLLOW);
      if (!below && below.error().is(ENOENT)) continue;
      if (!below) return fail(below.error().code(), "{}/{}", path, name);
      TRY(give(below->ref(), TRY_WITHIN(sys::stat(below->ref()), "{}/{}", path, name), to, path + "/" + name, depth + 1));
    }
  }
  if (st.st_uid == to.uid && st.st_gid == to.gid) return {};
  return TRY_WITHIN(sys::chown(object, to.uid, to.gid), "{}", path);
}

// Where the path leads now; nothing that is put in its way after that is followed.
Result<Fd> open_whole(const std::string& path) {
  std::error_code failed;
  const std::filesystem::path real = std::filesystem::canonical(path, failed);
  if (failed) return Error(failed.value());
  const Fd root = TRY(sys::open("/", O_PATH | O_DIRECTORY));
  return sys::open_beneath(root.ref(), TRY(RelPath::parse(real.relative_path().string())), O_PATH | O_NOFOLLOW);
}

}  // namespace

Result<void> give_tree(const std::string& path, uid_t uid, gid_t gid) {
  const Fd source = TRY_WITHIN(open_whole(path), "giving {} to the container's user", path);
  const struct stat st = TRY_WITHIN(sys::stat(source.ref()), "{}", path);
  if (is_lived_by(st)) return fail(EINVAL, "{} is not given to anybody: you or the machine live by it", path);
  return TRY_WITHIN(give(source.ref(), st, {uid, gid, st.st_dev}, path, 0), "giving {} to the container's user", path);
}

}  // namespace acetate::cli
