// launch(): a description and a mounted root in, an exit code out.
#include <sched.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <random>
#include <utility>

#include "base/log.h"
#include "base/sys/file.h"
#include "base/sys/mount.h"
#include "base/sys/userns.h"
#include "builder/sandbox/capability_number.h"
#include "builder/sandbox/complaint.h"
#include "builder/sandbox/delegated_cgroup.h"
#include "builder/sandbox/exec_lookup.h"
#include "builder/sandbox/id_maps.h"
#include "builder/sandbox/native.h"
#include "builder/sandbox/network.h"
#include "builder/sandbox/owner_recorder.h"
#include "builder/sandbox/prepare.h"
#include "builder/sandbox/runtime.h"
#include "builder/sandbox/seccomp.h"
#include "builder/sandbox/seccomp_program.h"
#include "builder/sandbox/signals.h"
#include "builder/sandbox/spec.h"
#include "builder/sandbox/surroundings.h"
#include "builder/sandbox/sysctls.h"
#include "builder/sandbox/terminal_mode.h"

namespace acetate::sandbox {

namespace {

std::optional<TimeLimit> time_limit(const Spec& spec) {
  if (!spec.time_limit) return std::nullopt;
  return TimeLimit{.seconds = *spec.time_limit, .signal = spec.stop_signal, .grace = spec.stop_grace};
}

// The person outside is somebody else than root inside: only a user namespace below ours can say so.
Result<void> keep_id(Spec& spec, Runtime& runtime) {
  KeepIdMaps maps = TRY(keep_id_maps(spec.keep_id->uid, spec.keep_id->gid));
  if (std::min(count_ids(maps.uids), count_ids(maps.gids)) == 1 && !runtime.native) {
    log::info("with one id, {} cannot start as somebody else than root: our own launcher does", runtime.program);
    runtime = Runtime{.program = "native", .native = true, .bound_proc = runtime.bound_proc, .sets_hostname = runtime.sets_hostname};
  }
  if (!runtime.native && runtime.child_uids.empty())
    return fail(ENOTSUP, "--userns keep-id needs a user namespace below ours, which {} cannot make here (ACETATE_RUNTIME=native can)",
                runtime.program);
  spec.surroundings.child_uids = std::move(maps.uids);
  spec.surroundings.child_gids = std::move(maps.gids);
  return {};
}

// runc sets the groups wherever it may, and drops ours by that.
void keep_groups(const Spec& spec, Runtime& runtime) {
  if (runtime.native || spec.ids == IdMode::single) return;
  log::info("{} does not keep our groups: our own launcher does", runtime.program);
  runtime.program = "native";
  runtime.native = true;
  runtime.records_owners = false;
}

// Limits are the runtime's to set where we are real root. Anybody else needs a cgroup that was given to them. The runtime puts the
// container into it and stays outside, with its own memory and threads; beside a hierarchy of version 1, of which it would
// make use instead, it is in it as we are.
Result<void> consider_limits(Spec& spec, const Runtime& runtime) {
  if (spec.resources.empty() && spec.cgroup_parent.empty()) return {};
  Surroundings& around = spec.surroundings;
  const bool runtime_makes_one = around.real_root && !runtime.native;
  if (!spec.cgroup_parent.empty() && !runtime_makes_one) log::warn("--cgroup-parent {} has no effect: only real root's runtime makes a cgroup elsewhere than in ours", spec.cgroup_parent);
  if (spec.resources.empty() && !runtime_makes_one) return {};
  if ((spec.resources.swappiness || spec.resources.never_killed) && (around.cgroup_v2 || spec.limited_cgroup))
    log::warn("--memory-swappiness and --oom-kill-disable are not kept: cgroups of version 2 have neither");
  if (spec.limited_cgroup) {
    if (runtime.native) return {};  // enters it itself; the kernel mounts no hierarchy over itself (EBUSY), so that it is not shown
    around.shows_cgroup = around.cgroup_v2;
    if (around.cgroup_v2) around.cgroup = TRY(path_in_hierarchy(spec.limited_cgroup));
    else TRY_WITHIN(enter_cgroup(spec.limited_cgroup), "entering the cgroup with the limits");
    return {};
  }
  around.cgroup_limits = runtime_makes_one;
  if (around.cgroup_limits && !spec.cgroup_parent.empty()) around.cgroup = spec.cgroup_parent + "/" + spec.id;
  around.shows_cgroup = around.cgroup_limits && around.cgroup_v2;
  const std::string why = around.real_root ? "our launcher makes none" : spec.why_unlimited;
  if (!around.cgroup_limits) log::warn("no limit is kept: memory, processors and processes are limited by cgroups, and {}", why);
  return {};
}

// Whoever is to set them may have other group ids than the container has.
Result<void> consider_sysctls(Spec& spec, const Runtime& runtime) {
  const bool made_beforehand = spec.network == Network::pasta || spec.network == Network::slirp4netns;
  const auto ours = TRY(sys::current_gid_map());
  const auto& inside = spec.surroundings.child_gids;
  if (runtime.native || made_beforehand)
    for (Sysctl& sysctl : spec.sysctls) sysctl = in_our_ids(std::move(sysctl), inside);
  if (spec.network != Network::none) return {};
  spec.surroundings.network_defaults = settable(network_defaults(runtime.native || inside.empty() ? ours : seen_from_outside(inside, ours)));
  return {};
}

// A container's names begin as copies of ours, whoever makes its namespace; so ours are changed, where nobody else sees them.
Result<void> set_domainname(const std::string& name) {
  TRY_WITHIN(sys::unshare(CLONE_NEWUTS), "making a namespace of names");
  if (::setdomainname(name.data(), name.size()) == 0) return {};
  return Error(errno).within("setting the NIS domain name to " + name);
}

// Nobody can hand on what they may not have themselves: root in a container often lacks some, and no runtime starts with them.
void keep_ours(std::vector<std::string>& capabilities) {
  std::erase_if(capabilities, [](const std::string& name) { return ::prctl(PR_CAPBSET_READ, capability_number(name), 0, 0, 0) == 0; });
}

Result<Attended> start(const sys::Command& command, const Invocation& invocation) {
  if (!invocation.kept) return Attended(TRY(sys::spawn(command)));
  return Attended::keep({.start = [&]() -> Result<pid_t> { return TRY(sys::spawn(command)).release(); }, .pid_file = invocation.pid_file()});
}

// Starts the runtime and stays with it to the end.
Result<sys::Exit> attend(const Runtime& runtime, const Invocation& invocation, const Spec& spec, Stdio stdio) {
  sys::Command command = run_command(runtime, invocation);
  for (const auto& [fd, as] : {std::pair{stdio.in, 0}, std::pair{stdio.out, 1}, std::pair{stdio.err, 2}})
    if (fd) command.fds.push_back({fd, as});
  std::optional<TerminalMode> mode;
  const FdRef terminal = stdio.in ? stdio.in : FdRef{0};
  if (spec.terminal) mode.emplace(TRY(TerminalMode::keep(terminal)));
  const HeldSignals signals(spec.ending ? HeldSignals::Which::of_children : HeldSignals::Which::all);
  Attended child = TRY(start(command, invocation));
  const GroupWitness group = TRY(GroupWitness::start());
  // A runtime keeps the container's terminal open when ours is gone, so that who waits at it would wait for ever.
  Watched watched = spec.terminal ? Watched{.end = terminal} : Watched{.end = spec.ending, .first = SIGKILL};
  watched.group = &group;
  const auto exit = TRY(wait_watching(signals, child, time_limit(spec), watched));
  // A command that is killed is a number to it; this is the runtime itself, by somebody else or for want of memory.
  if (exit.signal && !child.was_sent(*exit.signal)) log::error("{} {}, and the container with it", runtime.program, exit.describe());
  return exit;
}

// What its hooks read is all that makes it write a bundle.
Result<sys::Exit> run_ourselves(const Spec& spec, const std::string& config, const std::string& dir, Stdio stdio, OwnerRecorder* owners) {
  const Invocation invocation{.bundle = dir, .id = spec.id};
  if (!spec.hooks.empty()) TRY_WITHIN(make_bundle(invocation, config), "making the container's bundle in {}", dir);
  return run_native(spec, config, stdio, owners, invocation);
}

Result<sys::Exit> run_with(const Runtime& runtime, const Spec& spec, const std::string& config, const std::string& dir, Stdio stdio) {
  const Invocation invocation{.bundle = dir, .id = spec.id, .kept = spec.surroundings.shares_pids()};
  TRY_WITHIN(make_bundle(invocation, config), "making the container's bundle in {}", dir);
  auto ended = attend(runtime, invocation, spec, stdio);
  // Whatever happened, nothing of it goes on running.
  if (auto removed = remove_container(runtime, invocation); !removed)
    log::warn("removing the container: {}", removed.error().message());
  const sys::Exit exit = TRY(std::move(ended));
  if (exit.ok()) return exit;
  const auto complaint = runtime_complaint(invocation);
  if (!complaint) return exit;
  if (!has_started(runtime, invocation)) return judge(*complaint, runtime.program, spec.argv[0]);
  // The command has ended as it did: a poststop hook that fails is to be warned of.
  log::warn("{}: {}", runtime.program, *complaint);
  return exit;
}

// Where no host name may be set the container is called as we are, and its environment says so.
void take_our_hostname(Spec& spec) {
  const std::string wanted = std::exchange(spec.hostname, our_hostname());
  if (wanted == spec.hostname) return;
  for (std::string& entry : spec.env)
    if (entry == "HOSTNAME=" + wanted) entry = "HOSTNAME=" + spec.hostname;
  const std::string words = fmt::format("the container is called {} as we are, and not {}: no host name may be set here", spec.hostname, wanted);
  if (spec.hostname_asked) log::warn("{}", words);
  else log::info("{}", words);
}

}  // namespace

std::string new_container_id() {
  std::random_device random;
  return fmt::format("acetate-{:08x}{:08x}", random(), random());
}

void prepare_launch(const Spec& wanted, const std::string& memo) {
  const auto runtime = choose_runtime(memo);
  if (!runtime || !runtime->native) return;
  Spec spec = wanted;
  keep_ours(spec.capabilities);
  // Somebody who answers for owners changes what is asked; where he listens does not.
  if (spec.ids == IdMode::single && runtime->records_owners) spec.surroundings.owner_listener = "/";
  if (const auto filter = seccomp_filter(spec); filter && !filter->is_null()) static_cast<void>(seccomp_program(*filter).has_value());
}

Result<sys::Exit> launch(const Spec& wanted, const std::string& scratch_dir, Stdio stdio, const std::string& memo) {
  Spec spec = wanted;
  if (spec.argv.empty()) return fail(EINVAL, "no command to run");
  if (spec.id.empty()) spec.id = new_container_id();
  Runtime runtime = TRY(choose_runtime(memo));
  spec.surroundings = TRY(look_around());
  apply(runtime, spec.surroundings);
  if (!spec.own_pids) spec.surroundings.bound_proc = true;
  if (spec.terminal) spec.surroundings.console_size = console_size(stdio.in ? stdio.in : FdRef{0});
  if (spec.keep_id) TRY(keep_id(spec, runtime));
  if (spec.keep_groups) keep_groups(spec, runtime);
  TRY(consider_limits(spec, runtime));
  TRY(consider_sysctls(spec, runtime));
  if (!spec.domainname.empty()) TRY(set_domainname(spec.domainname));
  keep_ours(spec.capabilities);
  if (!spec.device_groups.empty() && spec.keep_groups) log::warn("with our own groups no group of a CDI device can be had: {}", fmt::join(spec.device_groups, ", "));
  else if (!spec.device_groups.empty() && spec.ids == IdMode::single) log::warn("with one id no group of a CDI device can be had: {}", fmt::join(spec.device_groups, ", "));

  if (!runtime.sets_hostname && spec.own_uts) take_our_hostname(spec);

  const Fd root = TRY_WITHIN(sys::open(spec.rootfs, O_PATH | O_DIRECTORY), "opening the root file system {}", spec.rootfs);
  const std::string command = spec.argv[0];
  MountPoints points(root.ref());
  TRY(prepare_root(spec, root.ref(), points, scratch_dir));
  Spec without_init = spec;
  if (spec.init) without_init.argv = wanted.argv;
  const Executable found = look_up_executable(root.ref(), without_init);
  if (auto refused = refuse_command(found, command)) return *refused;

  std::optional<NetworkHelper> network;
  if (spec.network == Network::pasta || spec.network == Network::slirp4netns) {
    network.emplace(TRY(NetworkHelper::start(spec, scratch_dir)));
    spec.surroundings.network_namespace = network->path();
  }
  std::unique_ptr<OwnerRecorder> owners;
  if (spec.record_owners && runtime.records_owners) owners = TRY(record_owners(spec, root.ref(), scratch_dir, runtime.native));
  if (!runtime.sets_hostname) spec.hostname.clear();  // it is that already
  const std::string config = TRY(to_oci_config(spec));
  const KillCount kills = KillCount::above(spec.limited_cgroup);
  const sys::Exit exit =
      TRY(runtime.native ? run_ourselves(spec, config, scratch_dir, stdio, owners.get()) : run_with(runtime, spec, config, scratch_dir, stdio));
  if (kills.now() > 0) log::warn("a process of the container was killed for want of memory: the limit is {} bytes (--memory)", spec.resources.memory.value_or(0));
  // The kernel's ENOEXEC, which runc says on the container's stderr and ends with 1.
  if (exit.code == 1 && found == Executable::odd_format) return sys::Exit{.code = 126};
  return exit;
}

}  // namespace acetate::sandbox
