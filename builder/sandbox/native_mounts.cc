#include "builder/sandbox/native_mounts.h"

#include <fcntl.h>
#include <linux/mount.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/rel_path.h"
#include "base/sys/call.h"
#include "base/sys/file.h"
#include "base/sys/mount.h"
#include "base/sys/open.h"
#include "builder/sandbox/copy_up.h"
#include "builder/sandbox/mount_options.h"

namespace acetate::sandbox {

namespace {

using Json = nlohmann::ordered_json;

// What every container has in /dev (runtime-spec config-linux.md#default-devices).
constexpr const char* kDevices[] = {"null", "zero", "full", "random", "urandom", "tty"};
constexpr std::pair<const char*, const char*> kLinks[] = {{"fd", "/proc/self/fd"},     {"stdin", "/proc/self/fd/0"},
                                                          {"stdout", "/proc/self/fd/1"}, {"stderr", "/proc/self/fd/2"},
                                                          {"ptmx", "pts/ptmx"}};

Result<Fd> open_place(FdRef root, const RelPath& path) { return sys::open_beneath(root, path, O_PATH | O_NOFOLLOW); }

// The place of a mount; made, with what leads to it, where a file system just mounted is still empty.
Result<Fd> make_place(FdRef root, const RelPath& path, bool directory) {
  auto there = open_place(root, path);
  if (there || !there.error().is(ENOENT)) return there;
  const Fd parent = TRY(make_place(root, path.parent(), true));
  const std::string name(path.name());
  const FileAt at{parent.ref(), name.c_str()};
  if (directory)
    TRY(sys::mkdir(at, 0755));
  else
    TRY(sys::open(at, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0644));
  return open_place(root, path);
}

Result<bool> is_directory(const std::string& source) { return S_ISDIR(TRY(sys::stat_following(source)).st_mode); }

// Changes the flags of the mount that `place` is the root of. Flags that a mount outside has are locked: remounting must
// repeat them, mount_setattr(2) (5.12) leaves them alone and reaches what is mounted below.
enum class Below { no, must, where_possible };
Result<void> set_flags(FdRef place, unsigned long flags, Below below) {
  mount_attr attr{};
  if ((flags & MS_RDONLY) != 0) attr.attr_set |= MOUNT_ATTR_RDONLY;
  if ((flags & MS_NOSUID) != 0) attr.attr_set |= MOUNT_ATTR_NOSUID;
  if ((flags & MS_NODEV) != 0) attr.attr_set |= MOUNT_ATTR_NODEV;
  if ((flags & MS_NOEXEC) != 0) attr.attr_set |= MOUNT_ATTR_NOEXEC;
  if (attr.attr_set == 0) return {};
  const unsigned how = AT_EMPTY_PATH | (below != Below::no ? AT_RECURSIVE : 0U);
  auto set = sys::done(sys::Call::mount, [&] { return ::syscall(SYS_mount_setattr, place.fd, "", how, &attr, sizeof attr); });
  if (set || !set.error().is(ENOSYS)) return set;
  if (below == Below::must) return fail(ENOSYS, "read-only for what is mounted below needs Linux 5.12");
  const auto locked = TRY(sys::statfs(place)).f_flags & (ST_NOSUID | ST_NODEV | ST_NOEXEC | ST_RDONLY);
  const sys::ProcFdPath path(place);
  return sys::mount(nullptr, path.c_str(), nullptr, MS_REMOUNT | MS_BIND | flags | static_cast<unsigned long>(locked), nullptr);
}

// Devices of the machine are bound one by one, or with the whole of /dev.
bool brings_devices(const std::string& source) { return source == "/dev" || source.starts_with("/dev/"); }

Result<void> make_mount(const Json& entry, FdRef root, bool no_devices) {
  const RelPath target = TRY(RelPath::parse_clamped(entry["destination"].get<std::string>()));
  auto options = parse_mount_options(entry["options"].get<std::vector<std::string>>());
  const std::string source = entry["source"], type = entry["type"];
  if (no_devices && type != "devpts" && !(options.bind && brings_devices(source))) options.flags |= MS_NODEV;
  const bool directory = options.bind ? TRY(is_directory(source)) : true;
  const Fd place = TRY(make_place(root, target, directory));
  const sys::ProcFdPath path(place.ref());
  if (!options.bind) {
    TRY(sys::mount(source.c_str(), path.c_str(), type.c_str(), options.copies_up ? options.flags & ~static_cast<unsigned long>(MS_RDONLY) : options.flags, options.data.c_str()));
    if (!options.copies_up) return {};
    // The place is still what lies below.
    const Fd below = TRY(sys::reopen(place.ref(), O_RDONLY | O_DIRECTORY));
    const Fd mounted = TRY(open_place(root, target));
    const Fd into = TRY(sys::reopen(mounted.ref(), O_RDONLY | O_DIRECTORY));
    TRY(copy_up(below.ref(), into.ref()));
    return set_flags(mounted.ref(), options.flags & MS_RDONLY, Below::no);
  }
  TRY(sys::mount(source.c_str(), path.c_str(), nullptr, MS_BIND | (options.recursive ? MS_REC : 0), nullptr));
  const Fd mounted = TRY(open_place(root, target));
  const sys::ProcFdPath now(mounted.ref());
  if (options.propagation != 0) TRY(sys::mount(nullptr, now.c_str(), nullptr, options.propagation, nullptr));
  return set_flags(mounted.ref(), options.flags, options.read_only_below ? Below::must : Below::no);
}

Result<void> furnish_dev(FdRef root) {
  const RelPath dev = TRY(RelPath::parse("dev"));
  for (const char* name : kDevices) {
    const Fd place = TRY(make_place(root, dev.child(name), false));
    TRY(sys::mount(fmt::format("/dev/{}", name).c_str(), sys::ProcFdPath(place.ref()).c_str(), nullptr, MS_BIND, nullptr));
  }
  const Fd dir = TRY(open_place(root, dev));
  for (const auto& [name, to] : kLinks) TRY(sys::symlink(to, {dir.ref(), name}));
  return {};
}

// An empty file, or an empty directory, over what is not to be seen. What is not there needs none.
Result<void> mask(FdRef root, const RelPath& path) {
  auto place = open_place(root, path);
  if (!place) return place.error().is(ENOENT) || place.error().is(ENOTDIR) ? Result<void>() : Result<void>(std::move(place).error());
  const sys::ProcFdPath at(place->ref());
  if (S_ISDIR(TRY(sys::stat(place->ref())).st_mode))
    return sys::mount("tmpfs", at.c_str(), "tmpfs", MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, "size=0k");
  return sys::mount("/dev/null", at.c_str(), nullptr, MS_BIND, nullptr);
}

Result<void> make_read_only(FdRef root, const RelPath& path) {
  auto place = open_place(root, path);
  if (!place) return place.error().is(ENOENT) || place.error().is(ENOTDIR) ? Result<void>() : Result<void>(std::move(place).error());
  const sys::ProcFdPath at(place->ref());
  TRY(sys::mount(at.c_str(), at.c_str(), nullptr, MS_BIND | MS_REC, nullptr));
  const Fd mounted = TRY(open_place(root, path));
  return set_flags(mounted.ref(), MS_RDONLY, Below::where_possible);
}

}  // namespace

bool has_own_dev(const Json& config) {
  return std::ranges::none_of(config["mounts"], [](const Json& entry) {
    return entry["destination"] == "/dev" && parse_mount_options(entry["options"].get<std::vector<std::string>>()).bind;
  });
}

Result<void> make_mounts(const Json& config, FdRef root, bool no_devices, std::string& what) {
  const bool own_dev = has_own_dev(config);
  for (const Json& entry : config["mounts"]) {
    what = entry["destination"];
    TRY(make_mount(entry, root, no_devices));
    if (what == "/dev" && own_dev) TRY(furnish_dev(root));
  }
  for (const Json& path : config["linux"]["maskedPaths"]) {
    what = path;
    TRY(mask(root, TRY(RelPath::parse_clamped(what))));
  }
  for (const Json& path : config["linux"]["readonlyPaths"]) {
    what = path;
    TRY(make_read_only(root, TRY(RelPath::parse_clamped(what))));
  }
  what.clear();
  return {};
}

Result<void> seal_root(const Json& config, FdRef root, bool no_devices) {
  unsigned long flags = 0;
  if (config["root"].value("readonly", false)) flags |= MS_RDONLY;
  if (no_devices) flags |= MS_NODEV;
  return set_flags(root, flags, Below::no);
}

}  // namespace acetate::sandbox
