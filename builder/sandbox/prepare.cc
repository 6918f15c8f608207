#include "builder/sandbox/prepare.h"

#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <iterator>

#include "base/sys/file.h"
#include "builder/sandbox/apt_config.h"
#include "builder/sandbox/device_tree.h"
#include "builder/sandbox/etc_files.h"
#include "builder/sandbox/in_root.h"
#include "builder/sandbox/init_program.h"
#include "builder/sandbox/surroundings.h"

namespace acetate::sandbox {

namespace {

bool is_below(const std::string& path, std::string_view dir) {
  return path.starts_with(dir) && (path.size() == dir.size() || path[dir.size()] == '/');
}

// The root with what will be mounted over it: paths are resolved as the container will see them.
class View {
 public:
  View(FdRef root, std::string rootfs) : root_(root), rootfs_(std::move(rootfs)) {}

  // A mount whose target is resolved.
  Result<void> cover(const MountPoint& mount) {
    const bool bind = mount.kind == MountPoint::Kind::bind;
    if (bind) opened_.push_back(TRY_WITHIN(sys::open(mount.source, O_PATH), "{}", mount.source));
    coverings_.push_back({.target = TRY(RelPath::parse_clamped(mount.target)), .source = bind ? opened_.back().ref() : FdRef()});
    shows_root_.push_back(bind && mount.source == rootfs_ + mount.target);
    return {};
  }
  Result<RelPath> resolve(const std::string& path) const { return TRY(resolve_in_root(root_, path, coverings_)).path; }
  // By something else than the root's own.
  bool is_covered(const RelPath& path) const {
    for (std::size_t i = coverings_.size(); i-- > 0;)
      if (coverings_[i].target.contains(path)) return !shows_root_[i];
    return false;
  }

 private:
  FdRef root_;
  std::string rootfs_;
  std::vector<Fd> opened_;
  std::vector<Covering> coverings_;
  std::vector<bool> shows_root_;  // of each covering: a part of the root, bound over itself
};

// What nobody is to hide: /proc says what a process may do, and runtimes refuse it.
Result<void> refuse_proc(const std::string& resolved, const std::string& typed) {
  if (resolved != "/" && !is_below(resolved, "/proc")) return {};
  return fail(EINVAL, "nothing can be mounted at {} of a container", typed);
}

// Each target through the mounts before it: a symlink of a volume leads where it would in the container.
Result<void> prepare_mounts(Spec& spec, View& view, MountPoints& points) {
  const auto table = TRY(sys::mounts());
  for (MountPoint& mount : spec.mounts) {
    TRY(examine_source(mount, table));
    const RelPath target = TRY_WITHIN(view.resolve(mount.target), "{} in the container", mount.target);
    const std::string resolved = "/" + target.str();
    TRY(refuse_proc(resolved, mount.target));
    mount.target = resolved;
    // What another mount hides is of no use, and what is missing there the runtime makes when it stands.
    if (!is_on_fixed_mount(resolved) && !view.is_covered(target)) {
      PointKind kind = PointKind::for_all;
      if (mount.kind != MountPoint::Kind::tmpfs)
        kind = S_ISDIR(TRY_WITHIN(sys::stat_following(mount.source), "{}", mount.source).st_mode) ? PointKind::directory : PointKind::file;
      TRY(points.prepare(resolved, kind));
    }
    TRY(view.cover(mount));
  }
  return {};
}

// The container's own, and in memory.
bool is_fresh(const std::string& path) {
  static constexpr std::string_view kFresh[] = {"/dev", "/dev/pts", "/dev/shm", "/dev/mqueue"};
  return std::ranges::find(kFresh, path) != std::end(kFresh);
}

// Of the root nothing is seen in /dev and /sys: a directory that is wished there is a file system in memory.
Result<void> cover_fixed_mounts(Spec& spec, FdRef root) {
  std::vector<std::string> elsewhere;
  for (const std::string& dir : spec.directories) {
    const std::string resolved = "/" + TRY_WITHIN(resolve_in_root(root, dir), "{} in the container", dir).path.str();
    TRY(refuse_proc(resolved, dir));
    const auto is_there = [&](const MountPoint& mount) { return is_below(resolved, mount.target); };
    if (!is_on_fixed_mount(resolved)) {
      elsewhere.push_back(dir);
    } else if (!is_fresh(resolved) && std::ranges::none_of(spec.mounts, is_there)) {
      const auto below = std::ranges::find_if(spec.mounts, [&](const MountPoint& mount) { return is_below(mount.target, resolved); });
      spec.mounts.insert(below, {.kind = MountPoint::Kind::tmpfs, .source = {}, .target = resolved, .options = {"mode=0755"}});
    }
  }
  spec.directories = std::move(elsewhere);
  return {};
}

// Where the root is read-only these stay writable, with what is in them: each is bound over itself, before what is mounted below it. Below a
// tmpfs that was asked for (/run, for /run/mysqld) nothing of the root can be bound any more: there it is a tmpfs. A bind above stands in for it.
Result<void> bind_directories(Spec& spec, MountPoints& points) {
  const std::vector<MountPoint> asked = spec.mounts;
  for (const std::string& dir : spec.directories) {
    const RelPath path = TRY(RelPath::parse_clamped(dir));
    const auto covers = [&](const MountPoint& mount) {
      const auto target = RelPath::parse_clamped(mount.target);
      return target && (*target == path || (mount.kind == MountPoint::Kind::bind && target->contains(path)));
    };
    if (std::ranges::any_of(asked, covers)) continue;
    const auto hides = [&](const MountPoint& mount) {
      const auto target = RelPath::parse_clamped(mount.target);
      return target && mount.kind == MountPoint::Kind::tmpfs && target->contains(path);
    };
    if (std::ranges::any_of(asked, hides)) {
      spec.mounts.push_back({.kind = MountPoint::Kind::tmpfs, .source = {}, .target = dir});
      continue;
    }
    const std::string made = TRY(points.make_directory(dir));
    const auto below = std::ranges::find_if(spec.mounts, [&](const MountPoint& mount) { return is_below(mount.target, made); });
    spec.mounts.insert(below, {.source = spec.rootfs + made, .target = made});
  }
  return {};
}

// What an image declares as its volumes need not be in it.
Result<void> prepare_directories(const Spec& spec, MountPoints& points) {
  for (const std::string& dir : spec.directories) {
    const auto covers = [&](const MountPoint& mount) { return is_below(dir, mount.target); };
    if (std::ranges::none_of(spec.mounts, covers)) TRY(points.make_directory(dir));
  }
  return {};
}

// A directory of ours stands for the devices below it.
Result<std::vector<Device>> expand(const Device& device) {
  if (!S_ISDIR(TRY_WITHIN(sys::stat_following(device.source), "the device {}", device.source).st_mode)) return std::vector<Device>{device};
  std::vector<Device> all;
  for (const std::string& name : TRY(list_devices(device.source)))
    all.push_back({.source = device.source + "/" + name, .target = device.target + "/" + name, .access = device.access});
  if (all.empty()) return fail(EINVAL, "there is no device in {}", device.source);
  return all;
}

Result<void> prepare_devices(Spec& spec) {
  std::vector<Device> all;
  for (const Device& device : spec.devices) std::ranges::move(TRY(expand(device)), std::back_inserter(all));
  spec.devices = std::move(all);
  for (Device& device : spec.devices) {
    const struct stat st = TRY_WITHIN(sys::stat_following(device.source), "the device {}", device.source);
    if (!S_ISCHR(st.st_mode) && !S_ISBLK(st.st_mode)) return fail(EINVAL, "{} is not a device", device.source);
    if (!is_below(device.target, "/dev") || device.target == "/dev" || device.target.find("/..") != std::string::npos)
      return fail(EINVAL, "the device {} can only be shown below /dev, not at {}", device.source, device.target);
    device.type = S_ISBLK(st.st_mode) ? 'b' : 'c';
    device.major = major(st.st_rdev);
    device.minor = minor(st.st_rdev);
  }
  return {};
}

// Resolved by us, through volumes too, so that the runtime meets no symlink: one to /proc/self/fd/7 led it out of the
// container once (CVE-2024-21626).
Result<void> prepare_cwd(Spec& spec, const View& view, MountPoints& points) {
  const RelPath found = TRY_WITHIN(view.resolve(spec.cwd), "working directory {}", spec.cwd);
  const std::string resolved = "/" + found.str();
  if (is_below(resolved, "/proc")) return fail(EINVAL, "the working directory {} lies in /proc", spec.cwd);
  const bool on_volume = view.is_covered(found);
  // The runtime makes /dev anew, with /dev/fd -> /proc/self/fd in it.
  if (is_below(resolved, "/dev") && resolved != "/dev" && !is_below(resolved, "/dev/shm") && !on_volume)
    return fail(EINVAL, "the working directory {} lies in /dev", spec.cwd);
  const bool mounted = on_volume || is_on_fixed_mount(resolved);
  spec.cwd = resolved;
  if (!mounted) TRY_WITHIN(points.make_directory(resolved), "working directory {}", resolved);
  return {};
}

// Whether the person has something of theirs shown at the container's /dev, in which nothing is to be made.
Result<bool> binds_dev(const Spec& spec, FdRef root) {
  for (const MountPoint& mount : spec.mounts)
    if (mount.kind == MountPoint::Kind::bind && TRY_WITHIN(resolve_in_root(root, mount.target), "{} in the container", mount.target).path.str() == "dev") return true;
  return false;
}

// Our reaper goes in front of the command, from a place that the image has nothing at.
Result<void> add_init(Spec& spec, FdRef root) {
  const std::string place = TRY(binds_dev(spec, root)) ? "/.acetate-init" : "/dev/init";
  spec.mounts.push_back({.source = TRY(find_init_program()), .target = place, .writable = false});
  spec.argv.insert(spec.argv.begin(), {place, "--"});
  return {};
}

}  // namespace

bool is_on_fixed_mount(const std::string& path) { return is_below(path, "/dev") || is_below(path, "/proc") || is_below(path, "/sys"); }

Result<void> prepare_root(Spec& spec, FdRef root, MountPoints& points, const std::string& dir) {
  for (const char* fixed : {"dev", "proc", "sys"}) TRY(points.prepare_fixed(fixed));
  for (MountPoint& file : TRY(make_etc_files(spec, dir))) spec.mounts.push_back(std::move(file));
  if (auto file = TRY(make_apt_file(spec, root, dir))) spec.mounts.push_back(*std::move(file));
  if (spec.init) TRY(add_init(spec, root));
  TRY(cover_fixed_mounts(spec, root));
  if (spec.read_only) TRY(bind_directories(spec, points));
  View view(root, spec.rootfs);
  TRY(prepare_mounts(spec, view, points));
  if (!spec.read_only) TRY(prepare_directories(spec, points));
  TRY(prepare_devices(spec));
  return prepare_cwd(spec, view, points);
}

}  // namespace acetate::sandbox
