// Spec -> the runtime-spec's config.json (opencontainers/runtime-spec config.md, config-linux.md).
#include <algorithm>
#include <nlohmann/json.hpp>

#include "builder/sandbox/masks.h"
#include "builder/sandbox/seccomp.h"
#include "builder/sandbox/spec.h"
#include "builder/sandbox/sysctls.h"

namespace acetate::sandbox {

namespace {

using Json = nlohmann::ordered_json;
using Words = std::vector<std::string>;

Json mount_entry(const char* target, const char* type, const char* source, const Words& options) {
  return {{"destination", target}, {"type", type}, {"source", source}, {"options", options}};
}

Json process(const Spec& spec) {
  // One id is all there is: whoever is meant, it is root, or the person outside. Without new privileges the filter is installed last,
  // so that the runtime's own capset(2) and setuid(2) are real and only the container's are played.
  const bool single = spec.ids == IdMode::single;
  const Spec::KeptId only = spec.keep_id.value_or(Spec::KeptId{0, 0});
  Json user{{"uid", single ? only.uid : spec.uid}, {"gid", single ? only.gid : spec.gid}};
  // The primary group is among them, as docker and BuildKit have it: a process that changes its group stays a member, and files that
  // are closed to the group stay closed to it.
  std::vector<gid_t> groups{spec.gid};
  for (const auto* more : {&spec.groups, &spec.device_groups})
    for (const gid_t group : *more)
      if (std::ranges::find(groups, group) == groups.end()) groups.push_back(group);
  if (!single && !spec.keep_groups) user["additionalGids"] = groups;
  if (spec.umask != 022) user["umask"] = spec.umask;  // which is what a runtime gives
  // Inheritable and ambient stay empty: they would survive an exec by a user who is not root.
  Json capabilities = Json::object();
  for (const char* set : {"bounding", "effective", "permitted"}) capabilities[set] = spec.capabilities;
  Json process{{"terminal", spec.terminal}, {"user", std::move(user)},
               {"args", spec.argv},         {"env", spec.env},
               {"cwd", spec.cwd},           {"capabilities", std::move(capabilities)},
               {"noNewPrivileges", single || spec.confinement.no_new_privileges}};
  // Told and not only set afterwards: a command that is quick asks before.
  if (const auto& size = spec.surroundings.console_size; spec.terminal && size) process["consoleSize"] = {{"height", size->rows}, {"width", size->columns}};
  if (spec.oom_score) process["oomScoreAdj"] = *spec.oom_score;
  for (const Limit& limit : spec.limits)
    process["rlimits"].push_back({{"type", limit.name}, {"soft", limit.soft}, {"hard", limit.hard}});
  return process;
}

// With a new pid namespace comes a new proc. Where we may not mount one the container sees ours.
Json proc_mount(const Spec& spec) {
  Words options{"nosuid", "noexec", "nodev"};
  options.insert(options.end(), spec.confinement.proc_options.begin(), spec.confinement.proc_options.end());
  if (!spec.surroundings.bound_proc) return mount_entry("/proc", "proc", "proc", options);
  return mount_entry("/proc", "none", "/proc", {"rbind", "rslave", "nosuid", "noexec", "nodev"});
}

Json sys_mount(const Spec& spec) {
  Words options{"nosuid", "noexec", "nodev"};
  const bool writable = std::ranges::find(spec.confinement.unmasked, "/sys") != spec.confinement.unmasked.end();
  options.emplace_back(writable ? "rw" : "ro");
  // A new sysfs wants a network namespace that belongs to the container's own user namespace; and where parts of /proc are masked, parts
  // of /sys are too, and no new one of either is to be had.
  const bool masked = spec.surroundings.bound_proc && spec.own_pids;
  if (!masked && (spec.network == Network::none || spec.surroundings.fresh_sysfs)) return mount_entry("/sys", "sysfs", "sysfs", options);
  // What is mounted in the host's (fusectl, debugfs) does not stay writable below it.
  if (!writable && spec.surroundings.read_only_below) options.back() = "rro";
  Words bind{"rbind", "rslave"};
  bind.insert(bind.end(), options.begin(), options.end());
  return mount_entry("/sys", "none", "/sys", bind);
}

// A bind of /sys made read-only leaves the cgroup mounts below it writable; a new sysfs has them empty.
Json cgroup_mount(const Spec& spec) {
  if (spec.surroundings.shows_cgroup) return mount_entry("/sys/fs/cgroup", "cgroup", "cgroup", {"nosuid", "noexec", "nodev", "relatime", "ro"});
  return mount_entry("/sys/fs/cgroup", "tmpfs", "tmpfs", {"nosuid", "noexec", "nodev", "ro", "mode=755", "size=4k"});
}

bool sets(const Words& options, std::string_view name) {
  return std::ranges::any_of(options, [&](const std::string& option) { return option.starts_with(name); });
}

Json wished_mount(const MountPoint& mount) {
  Words options = mount.locked;
  options.insert(options.end(), mount.options.begin(), mount.options.end());
  if (mount.kind == MountPoint::Kind::tmpfs) {
    if (!sets(options, "suid")) options.emplace_back("nosuid");
    if (!sets(options, "dev")) options.emplace_back("nodev");
    if (!sets(options, "mode=")) options.emplace_back("mode=1777");
    options.emplace_back(mount.writable ? "rw" : "ro");
    if (mount.size != 0) options.push_back(fmt::format("size={}", mount.size));
    return mount_entry(mount.target.c_str(), "tmpfs", "tmpfs", options);
  }
  Words bind;
  if (!sets(options, "bind")) bind.emplace_back("rbind");
  if (!sets(options, "rslave") && !sets(options, "slave") && !sets(options, "private")) bind.emplace_back("rprivate");
  bind.insert(bind.end(), options.begin(), options.end());
  bind.emplace_back(mount.writable ? "rw" : mount.has_submounts ? "rro" : "ro");
  return mount_entry(mount.target.c_str(), "none", mount.source.c_str(), bind);
}

Json device_mount(const Device& device) {
  return mount_entry(device.target.c_str(), "none", device.source.c_str(), {"bind", "rprivate", "nosuid", "noexec", "rw"});
}

Json mounts(const Spec& spec) {
  // tty is gid 5 everywhere, but a single-id namespace has no 5.
  Words pts{"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"};
  if (spec.ids != IdMode::single) pts.emplace_back("gid=5");
  Json all = Json::array({
      proc_mount(spec),
      mount_entry("/dev", "tmpfs", "tmpfs", {"nosuid", "strictatime", "mode=755", "size=65536k"}),
      mount_entry("/dev/pts", "devpts", "devpts", pts),
  });
  if (spec.own_ipc && spec.makes_shm)
    all.push_back(mount_entry("/dev/shm", "tmpfs", "shm",
                              {"nosuid", "noexec", "nodev", "mode=1777", fmt::format("size={}k", spec.shm_size / 1024 + (spec.shm_size % 1024 != 0 ? 1 : 0))}));
  if (spec.own_ipc) all.push_back(mount_entry("/dev/mqueue", "mqueue", "mqueue", {"nosuid", "noexec", "nodev"}));
  all.push_back(sys_mount(spec));
  all.push_back(cgroup_mount(spec));
  for (const MountPoint& mount : spec.mounts) all.push_back(wished_mount(mount));
  for (const Device& device : spec.devices) all.push_back(device_mount(device));
  return all;
}

Json hooks(const Spec& spec) {
  Json all = Json::object();
  for (const Hook& hook : spec.hooks) {
    Json entry{{"path", hook.path}};
    if (!hook.args.empty()) entry["args"] = hook.args;
    if (hook.env) entry["env"] = *hook.env;
    if (hook.timeout) entry["timeout"] = *hook.timeout;
    all[name_of(hook.stage)].push_back(std::move(entry));
  }
  return all;
}

Json id_map(const std::vector<sys::IdRange>& ranges) {
  Json map = Json::array();
  for (const auto& range : ranges)
    map.push_back({{"containerID", range.inside}, {"hostID", range.outside}, {"size", range.count}});
  return map;
}

// Has an effect for real root only; the runtime adds the harmless devices every container has.
Json resources(const Spec& spec) {
  Json devices = Json::array({{{"allow", false}, {"access", "rwm"}}});
  for (const Device& device : spec.devices) {
    if (device.access.empty()) continue;  // runc wants some
    devices.push_back({{"allow", true},
                       {"type", std::string(1, device.type)},
                       {"major", device.major},
                       {"minor", device.minor},
                       {"access", device.access}});
  }
  for (const DeviceRule& rule : spec.device_rules) {
    Json entry{{"allow", true}, {"type", std::string(1, rule.type)}, {"access", rule.access}};
    if (rule.major) entry["major"] = *rule.major;
    if (rule.minor) entry["minor"] = *rule.minor;
    devices.push_back(std::move(entry));
  }
  Json all{{"devices", std::move(devices)}};
  if (!spec.surroundings.cgroup_limits) return all;
  const Resources& asked = spec.resources;
  const auto put = [&](const char* of, const char* key, Json value) { all[of][key] = std::move(value); };
  // -1 is no limit to a runtime.
  const auto limit = [](std::uint64_t bytes) { return bytes == Resources::kNoLimit ? Json(-1) : Json(bytes); };
  if (asked.memory) put("memory", "limit", *asked.memory), put("memory", "swap", limit(asked.memory_and_swap.value_or(*asked.memory)));
  if (asked.memory_reservation) put("memory", "reservation", *asked.memory_reservation);
  if (asked.swappiness && !spec.surroundings.cgroup_v2) put("memory", "swappiness", *asked.swappiness);
  if (asked.never_killed && !spec.surroundings.cgroup_v2) put("memory", "disableOOMKiller", true);
  if (asked.cpus) put("cpu", "period", asked.cpu_period), put("cpu", "quota", static_cast<std::int64_t>(asked.cpu_quota()));
  if (asked.cpu_shares) put("cpu", "shares", *asked.cpu_shares);
  if (!asked.cpuset_cpus.empty()) put("cpu", "cpus", asked.cpuset_cpus);
  if (!asked.cpuset_mems.empty()) put("cpu", "mems", asked.cpuset_mems);
  if (asked.pids) put("pids", "limit", *asked.pids);
  if (asked.blkio_weight) put("blockIO", "weight", *asked.blkio_weight);
  for (const Resources::Disk& disk : asked.disks) {
    using Kind = Resources::Disk::Kind;
    const bool weighs = disk.kind == Kind::weight;
    const char* list = weighs                             ? "weightDevice"
                       : disk.kind == Kind::read_bytes    ? "throttleReadBpsDevice"
                       : disk.kind == Kind::write_bytes   ? "throttleWriteBpsDevice"
                       : disk.kind == Kind::read_calls    ? "throttleReadIOPSDevice"
                                                          : "throttleWriteIOPSDevice";
    all["blockIO"][list].push_back({{"major", disk.major}, {"minor", disk.minor}, {weighs ? "weight" : "rate", disk.value}});
  }
  for (const auto& [file, value] : asked.files) put("unified", file.c_str(), value);
  return all;
}

Json namespaces(const Spec& spec) {
  Json all = Json::array({{{"type", "mount"}}});
  if (!spec.surroundings.shares_pids()) all.push_back({{"type", "pid"}});
  if (spec.own_ipc) all.push_back({{"type", "ipc"}});
  if (spec.own_uts) all.push_back({{"type", "uts"}});
  if (!spec.surroundings.network_namespace.empty())
    all.push_back({{"type", "network"}, {"path", spec.surroundings.network_namespace}});
  else if (spec.network == Network::none)
    all.push_back({{"type", "network"}});
  if (spec.surroundings.cgroup_v2 && spec.own_cgroups) all.push_back({{"type", "cgroup"}});
  if (!spec.surroundings.child_uids.empty()) all.push_back({{"type", "user"}});
  return all;
}

// A network that was made beforehand has them already; and what is wished comes after what there is by default.
Json sysctls(const Spec& spec) {
  Json all = Json::object();
  for (const auto* some : {&spec.surroundings.network_defaults, &spec.sysctls})
    for (const auto& [name, value] : *some)
      if (spec.surroundings.network_namespace.empty() || kind_of(name) != SysctlKind::network) all[name] = value;
  return all;
}

Result<Json> linux_part(const Spec& spec) {
  Json part = Json::object();
  if (!spec.surroundings.child_uids.empty()) {
    part["uidMappings"] = id_map(spec.surroundings.child_uids);
    part["gidMappings"] = id_map(spec.surroundings.child_gids);
  }
  part["namespaces"] = namespaces(spec);
  if (Json set = sysctls(spec); !set.empty()) part["sysctl"] = std::move(set);
  if (!spec.surroundings.cgroup.empty()) part["cgroupsPath"] = spec.surroundings.cgroup;
  part["resources"] = resources(spec);
  part["maskedPaths"] = masked_paths(spec.confinement, spec.surroundings);
  part["readonlyPaths"] = read_only_paths(spec.confinement);
  if (Json filter = TRY(seccomp_filter(spec)); !filter.is_null()) {
    if (!spec.surroundings.owner_listener.empty()) filter["listenerPath"] = spec.surroundings.owner_listener;
    part["seccomp"] = std::move(filter);
  }
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
  for (const Hook& hook : spec.hooks) {
    if (!hook.path.starts_with('/')) return fail(EINVAL, "the hook '{}' is not an absolute path", hook.path);
    if (hook.timeout && *hook.timeout <= 0) return fail(EINVAL, "the hook {} has no time at all", hook.path);
  }
  Json on_linux = TRY(linux_part(spec));
  Json config{{"ociVersion", "1.0.2"},
                    {"process", process(spec)},
                    {"root", {{"path", spec.rootfs}, {"readonly", spec.read_only}}},
                    {"hostname", spec.hostname},
                    {"mounts", mounts(spec)},
                    {"linux", std::move(on_linux)}};
  if (spec.hostname.empty() || !spec.own_uts) config.erase("hostname");
  if (!spec.hooks.empty()) config["hooks"] = hooks(spec);
  for (const auto& [name, value] : spec.annotations) config["annotations"][name] = value;
  // An argument need not be UTF-8, but JSON is.
  try {
    return config.dump(2) + "\n";
  } catch (const Json::type_error& error) {
    return fail(EILSEQ, "the command, its environment or a path is not valid UTF-8, which config.json needs ({})",
                error.what());
  }
}

}  // namespace acetate::sandbox
