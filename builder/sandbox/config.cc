// Spec -> the runtime-spec's config.json (opencontainers/runtime-spec config.md, config-linux.md).
#include <nlohmann/json.hpp>

#include "builder/sandbox/seccomp.h"
#include "builder/sandbox/spec.h"

namespace acetate::sandbox {

namespace {

using Json = nlohmann::ordered_json;
using Words = std::vector<std::string>;

Json mount_entry(const char* target, const char* type, const char* source, const Words& options) {
  return {{"destination", target}, {"type", type}, {"source", source}, {"options", options}};
}

Json process(const Spec& spec) {
  // One id is all there is: whoever is meant, it is root. Without new privileges the filter is installed last,
  // so that the runtime's own capset(2) and setuid(2) are real and only the container's are played.
  const bool single = spec.ids == IdMode::single;
  Json user{{"uid", single ? 0 : spec.uid}, {"gid", single ? 0 : spec.gid}};
  if (!single && !spec.groups.empty()) user["additionalGids"] = spec.groups;
  // Inheritable and ambient stay empty: they would survive an exec by a user who is not root.
  Json capabilities = Json::object();
  for (const char* set : {"bounding", "effective", "permitted"}) capabilities[set] = spec.capabilities;
  return {{"terminal", spec.terminal}, {"user", std::move(user)},
          {"args", spec.argv},         {"env", spec.env},
          {"cwd", spec.cwd},           {"capabilities", std::move(capabilities)},
          {"noNewPrivileges", single}};
}

Json sys_mount(const Spec& spec) {
  const Words options{"nosuid", "noexec", "nodev", "ro"};
  if (spec.network == Network::none || spec.surroundings.fresh_sysfs)
    return mount_entry("/sys", "sysfs", "sysfs", options);
  // A new sysfs wants a network namespace of our own: show the one that is there.
  Words bind{"rbind", "rslave"};
  bind.insert(bind.end(), options.begin(), options.end());
  return mount_entry("/sys", "none", "/sys", bind);
}

Json wished_mount(const MountPoint& mount) {
  Words options = mount.locked;
  if (mount.kind == MountPoint::Kind::tmpfs) {
    for (const char* always : {"nosuid", "nodev", "mode=1777"}) options.emplace_back(always);
    options.emplace_back(mount.writable ? "rw" : "ro");
    if (mount.size != 0) options.push_back(fmt::format("size={}", mount.size));
    return mount_entry(mount.target.c_str(), "tmpfs", "tmpfs", options);
  }
  options.insert(options.begin(), {"rbind", "rprivate"});
  options.emplace_back(mount.writable ? "rw" : mount.has_submounts ? "rro" : "ro");
  return mount_entry(mount.target.c_str(), "none", mount.source.c_str(), options);
}

Json mounts(const Spec& spec) {
  // tty is gid 5 everywhere, but a single-id namespace has no 5.
  Words pts{"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"};
  if (spec.ids != IdMode::single) pts.emplace_back("gid=5");
  Json all = Json::array({
      mount_entry("/proc", "proc", "proc", {"nosuid", "noexec", "nodev"}),
      mount_entry("/dev", "tmpfs", "tmpfs", {"nosuid", "strictatime", "mode=755", "size=65536k"}),
      mount_entry("/dev/pts", "devpts", "devpts", pts),
      mount_entry("/dev/shm", "tmpfs", "shm", {"nosuid", "noexec", "nodev", "mode=1777", "size=65536k"}),
      mount_entry("/dev/mqueue", "mqueue", "mqueue", {"nosuid", "noexec", "nodev"}),
      sys_mount(spec),
      // A bind of /sys made read-only leaves the cgroup mounts below it writable; a new sysfs has them empty.
      mount_entry("/sys/fs/cgroup", "tmpfs", "tmpfs", {"nosuid", "noexec", "nodev", "ro", "mode=755", "size=4k"}),
  });
  for (const MountPoint& mount : spec.mounts) all.push_back(wished_mount(mount));
  return all;
}

Json id_map(const std::vector<sys::IdRange>& ranges) {
  Json map = Json::array();
  for (const auto& range : ranges)
    map.push_back({{"containerID", range.inside}, {"hostID", range.outside}, {"size", range.count}});
  return map;
}

Json linux_part(const Spec& spec) {
  Json namespaces = Json::array();
  Words types{"mount", "pid", "ipc", "uts"};
  if (spec.network == Network::none) types.emplace_back("network");
  if (spec.surroundings.cgroup_v2) types.emplace_back("cgroup");
  Json part = Json::object();
  if (!spec.surroundings.child_uids.empty()) {
    types.emplace_back("user");
    part["uidMappings"] = id_map(spec.surroundings.child_uids);
    part["gidMappings"] = id_map(spec.surroundings.child_gids);
  }
  for (const std::string& type : types) namespaces.push_back({{"type", type}});
  part["namespaces"] = std::move(namespaces);
  // Has an effect for real root only; the runtime adds the harmless devices every container has.
  part["resources"] = {{"devices", Json::array({{{"allow", false}, {"access", "rwm"}}})}};
  part["maskedPaths"] = {"/proc/acpi",          "/proc/asound",      "/proc/interrupts",
                         "/proc/kcore",         "/proc/keys",        "/proc/latency_stats",
                         "/proc/sched_debug",   "/proc/scsi",        "/proc/timer_list",
                         "/proc/timer_stats",   "/sys/firmware",     "/sys/devices/virtual/powercap",
                         "/sys/fs/selinux"};
  part["readonlyPaths"] = {"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"};
  part["seccomp"] = seccomp_filter(spec);
  return part;
}

}  // namespace

Result<std::string> to_oci_config(const Spec& spec) {
  if (spec.argv.empty()) return fail(EINVAL, "no command to run");
  if (!spec.rootfs.starts_with('/')) return fail(EINVAL, "the root file system '{}' is not an absolute path", spec.rootfs);
  if (!spec.cwd.starts_with('/')) return fail(EINVAL, "the working directory '{}' is not an absolute path", spec.cwd);
  for (const MountPoint& mount : spec.mounts) {
    if (!mount.target.starts_with('/')) return fail(EINVAL, "the mount target '{}' is not an absolute path", mount.target);
    if (mount.kind == MountPoint::Kind::bind && !mount.source.starts_with('/'))
      return fail(EINVAL, "the mount source '{}' is not an absolute path", mount.source);
  }
  const Json config{{"ociVersion", "1.0.2"},
                    {"process", process(spec)},
                    {"root", {{"path", spec.rootfs}, {"readonly", spec.read_only}}},
                    {"hostname", spec.hostname},
                    {"mounts", mounts(spec)},
                    {"linux", linux_part(spec)}};
  // An argument need not be UTF-8, but JSON is.
  try {
    return config.dump(2) + "\n";
  } catch (const Json::type_error& error) {
    return fail(EILSEQ, "the command, its environment or a path is not valid UTF-8, which config.json needs ({})",
                error.what());
  }
}

}  // namespace acetate::sandbox
