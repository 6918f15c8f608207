#include "cli/paths.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "base/sys/file.h"

namespace acetate::cli {

namespace {

struct Rule {
  const char* own;  // wins, and must be absolute
  const char* xdg;  // the directory that ours stands in
  const char* below_home;
  const char* system;  // of root without HOME
};

bool is_absolute(const std::optional<std::string>& path) { return path && path->starts_with('/'); }

Result<std::string> choose(const Rule& rule, const Environment& environment, uid_t uid) {
  if (const auto own = environment(rule.own); own && !own->empty()) {
    if (!is_absolute(own)) return fail(EINVAL, "{}={} is not an absolute path", rule.own, *own);
    return *own;
  }
  if (const auto xdg = environment(rule.xdg); is_absolute(xdg)) return *xdg + "/acetate";
  if (const auto home = environment("HOME"); is_absolute(home)) return *home + rule.below_home;
  if (uid == 0) return std::string(rule.system);
  return fail(EINVAL, "neither HOME nor {} is set, so there is no place to keep anything; set one of them",
              rule.own);
}

constexpr Rule kData{"ACETATE_ROOT", "XDG_DATA_HOME", "/.local/share/acetate", "/var/lib/acetate"};
constexpr Rule kCache{"ACETATE_CACHE", "XDG_CACHE_HOME", "/.cache/acetate", "/var/cache/acetate"};

}  // namespace

Result<Paths> paths_from(const Environment& environment, uid_t uid) {
  Paths paths;
  paths.data = TRY(choose(kData, environment, uid));
  paths.cache = TRY(choose(kCache, environment, uid));
  const auto runtime = environment("XDG_RUNTIME_DIR");
  paths.runtime = is_absolute(runtime) ? *runtime + "/acetate" : fmt::format("/tmp/acetate-{}", uid);
  return paths;
}

Result<Paths> find_paths() {
  const auto from_process = [](const char* name) -> std::optional<std::string> {
    const char* value = std::getenv(name);
    if (value == nullptr) return std::nullopt;
    return value;
  };
  return paths_from(from_process, ::getuid());
}

std::optional<std::string> why_nothing_is_kept(const Paths& paths) {
  // What is not there yet would be made in the nearest directory that is.
  std::string nearest = paths.data;
  while (nearest.size() > 1 && !sys::stat_following(nearest)) nearest.resize(std::max<std::size_t>(nearest.rfind('/'), 1));
  const auto unnamed = sys::open(nearest, O_WRONLY | O_TMPFILE, 0600);
  if (unnamed || unnamed.error().is(EOPNOTSUPP) || unnamed.error().is(EISDIR)) return std::nullopt;
  return fmt::format("nothing can be kept in {} ({}): set ACETATE_ROOT and ACETATE_CACHE to directories of yours", paths.data,
                     unnamed.error().message());
}

Result<void> prepare_runtime_dir(const Paths& paths) {
  const FileAt at{kWorkingDir, paths.runtime.c_str()};
  if (auto made = sys::mkdir(at, 0700); !made && !made.error().is(EEXIST))
    return std::move(made).error().within("making the directory " + paths.runtime);
  const auto st = TRY_WITHIN(sys::stat(at), "looking at {}", paths.runtime);
  if (!S_ISDIR(st.st_mode)) return fail(EPERM, "{} is not a directory", paths.runtime);
  if (st.st_uid != ::getuid() || (st.st_mode & 0077) != 0)
    return fail(
        EPERM,
        "{} belongs to user {} with mode {:o}; it must be yours and 0700. Remove it, or set XDG_RUNTIME_DIR",
        paths.runtime, st.st_uid, st.st_mode & 07777);
  return {};
}

}  // namespace acetate::cli
