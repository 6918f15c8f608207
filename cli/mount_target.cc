#include "cli/mount_target.h"

#include <fcntl.h>

#include "base/sys/file.h"
#include "base/sys/mount.h"

namespace acetate::cli {

namespace {

bool is_at_or_below(const std::string& path, const std::string& dir) {
  return path == dir || dir == "/" || path.starts_with(dir + "/");
}

}  // namespace

bool is_our_type(const std::string& type) { return type == "fuse.fuse-overlay" || type == "fuse.fuse-overlayfs"; }

Result<std::string> check_target(const std::string& path, const image::Image& image) {
  auto opened = sys::open(path, O_PATH | O_DIRECTORY);
  if (!opened && opened.error().is(ENOENT))
    return fail(ENOENT, "there is no directory {}; make it first: mkdir {}", path, path);
  if (!opened && opened.error().is(ENOTDIR)) return fail(ENOTDIR, "{} is not a directory", path);
  if (!opened && opened.error().is(ENOTCONN))
    return fail(ENOTCONN, "what was mounted on {} has died; take it away first: acetate unmount {}", path,
                path);
  if (!opened) return std::move(opened).error().within("opening " + path);
  auto target = TRY_WITHIN(sys::readlink(FileAt{kWorkingDir, sys::ProcFdPath(opened->ref()).c_str()}),
                           "looking at {}", path);
  for (const auto& layer : image.layers)
    if (is_at_or_below(target, layer.spec.path))
      return fail(EINVAL, "{} is inside {}, which is to be mounted there; choose a directory outside of it",
                  path, layer.spec.path);
  for (const auto& mount : TRY_WITHIN(sys::mounts(), "reading the mount table"))
    if (mount.mount_point == target && is_our_type(mount.type))
      return fail(EBUSY, "an image is mounted on {} already; take it away first: acetate unmount {}", path,
                  path);
  return target;
}

}  // namespace acetate::cli
