#include "builder/sandbox/mount_points.h"

#include "base/log.h"
#include "base/sys/file.h"
#include "base/sys/open.h"
#include "base/sys/same_file.h"
#include "base/timespec.h"
#include "builder/sandbox/in_root.h"

namespace acetate::sandbox {

namespace {

Result<Fd> open_parent(FdRef root, const RelPath& path) {
  return sys::open_beneath(root, path.parent(), O_RDONLY | O_DIRECTORY);
}

bool same_file(const struct stat& a, const struct stat& b) {
  return sys::is_same_file(a, b) && (a.st_mode & S_IFMT) == (b.st_mode & S_IFMT);
}

}  // namespace

Result<void> MountPoints::make(const RelPath& path, PointKind kind, bool keep) {
  const Fd parent = TRY(open_parent(root_, path));
  const struct stat before = TRY(sys::stat(parent.ref()));
  const std::string name(path.name());
  const FileAt at{parent.ref(), name.c_str()};
  if (kind != PointKind::file)
    TRY(sys::mkdir(at, 0755));
  else
    TRY(sys::open(at, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0644));
  Fd made = TRY(sys::open(at, O_PATH | O_NOFOLLOW));
  // The umask must not decide what the container sees.
  TRY(sys::chmod(made.ref(), kind == PointKind::file ? 0644 : kind == PointKind::for_all ? 01777 : 0755));
  if (keep) return {};
  const struct stat after = TRY(sys::stat(parent.ref()));
  made_.push_back({path, std::move(made), {before.st_atim, before.st_mtim}, after.st_mtim});
  return {};
}

Result<std::string> MountPoints::place(const std::string& target, PointKind kind, bool keep) {
  const InRoot found = TRY_WITHIN(resolve_in_root(root_, target), "{} in the container", target);
  const std::string absolute = "/" + found.path.str();
  if (found.missing == 0) {
    const bool directory = S_ISDIR(TRY(stat_in_root(root_, found.path)).st_mode);
    if (kind != PointKind::file && !directory)
      return fail(ENOTDIR, "{} in the container is not a directory", target);
    if (kind == PointKind::file && directory) return fail(EISDIR, "{} in the container is a directory", target);
    return absolute;
  }
  const auto names = found.path.components();
  RelPath path;
  for (std::size_t i = 0; i < names.size(); ++i) {
    path = path.child(names[i]);
    if (names.size() - i > found.missing) continue;
    const bool last = i + 1 == names.size();
    TRY_WITHIN(make(path, last ? kind : PointKind::directory, keep), "making /{} in the container", path.str());
  }
  return absolute;
}

Result<std::string> MountPoints::prepare(const std::string& target, PointKind kind) {
  return place(target, kind, false);
}

Result<std::string> MountPoints::make_directory(const std::string& path) {
  return place(path, PointKind::directory, true);
}

Result<void> MountPoints::prepare_fixed(const std::string& name) {
  const RelPath path = TRY(RelPath::parse(name));
  auto st = stat_in_root(root_, path);
  if (!st && st.error().is(ENOENT)) {
    TRY_WITHIN(make(path, PointKind::directory, false), "making /{} in the container", name);
    return {};
  }
  if (!st) return std::move(st).error().within(fmt::format("/{} in the container", name));
  if (!S_ISDIR(st->st_mode))
    return fail(EINVAL, "/{} of the image is {}, not a directory; such an image is not run", name,
                S_ISLNK(st->st_mode) ? "a symbolic link" : "a file");
  return {};
}

void MountPoints::remove_untouched() {
  for (auto made = made_.rbegin(); made != made_.rend(); ++made) {
    // The container may have removed, replaced or filled it, or its parent: then it is the container's.
    auto parent = open_parent(root_, made->path);
    if (!parent) {
      // A file or a link in its place is the container's doing, too.
      if (!parent.error().is(ENOENT) && !parent.error().is(ENOTDIR) && !parent.error().is(ELOOP)) log::warn("/{}, where something was mounted, stays: {}", made->path.str(), parent.error().message());
      continue;
    }
    const std::string name(made->path.name());
    const FileAt at{parent->ref(), name.c_str()};
    const auto now = sys::stat(at), ours = sys::stat(made->itself.ref());
    if (const auto& missing = now ? ours : now; !missing) {
      if (!missing.error().is(ENOENT)) log::warn("/{}, where something was mounted, stays: {}", made->path.str(), missing.error().message());
      continue;
    }
    if (!same_file(*now, *ours)) continue;
    const bool directory = S_ISDIR(now->st_mode);
    if (!directory && now->st_size != 0) continue;
    // Somebody who worked in the parent since gave it a time of its own, which is to stay.
    const auto holder = sys::stat(parent->ref());
    if (auto removed = directory ? sys::rmdir(at) : sys::unlink(at); !removed) {
      // Filled by the container it is the container's; anything else would be in the layer without a word.
      if (!removed.error().is(ENOTEMPTY)) log::warn("/{}, where something was mounted, stays: {}", made->path.str(), removed.error().message());
      continue;
    }
    if (holder && same_time(holder->st_mtim, made->parent_after))
      (void)sys::set_times(parent->ref(), made->parent_before);
  }
  made_.clear();
}

}  // namespace acetate::sandbox
