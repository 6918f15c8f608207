#include <sys/stat.h>
#include <unistd.h>

#include <random>

#include "base/log.h"
#include "base/sys/file.h"
#include "builder/sandbox/console.h"
#include "builder/sandbox/etc_files.h"
#include "builder/sandbox/exec_lookup.h"
#include "builder/sandbox/in_root.h"
#include "builder/sandbox/mount_points.h"
#include "builder/sandbox/runtime.h"
#include "builder/sandbox/signals.h"
#include "builder/sandbox/spec.h"
#include "builder/sandbox/surroundings.h"

namespace acetate::sandbox {

namespace {

constexpr int kCannotExecute = 126;
constexpr int kNotFound = 127;

std::string new_id() {
  std::random_device random;
  return fmt::format("acetate-{:08x}{:08x}", random(), random());
}

bool is_below(const std::string& path, std::string_view dir) {
  return path.starts_with(dir) && (path.size() == dir.size() || path[dir.size()] == '/');
}

// The runtime mounts these itself, on file systems that are empty now.
bool is_on_fixed_mount(const std::string& path) {
  return is_below(path, "/dev") || is_below(path, "/proc") || is_below(path, "/sys");
}

Result<void> prepare_mounts(Spec& spec, FdRef root, MountPoints& points) {
  for (MountPoint& mount : spec.mounts) {
    TRY(examine_source(mount));
    const InRoot target = TRY_WITHIN(resolve_in_root(root, mount.target), "{} in the container", mount.target);
    const std::string resolved = "/" + target.path.str();
    if (resolved == "/" || is_below(resolved, "/proc"))
      return fail(EINVAL, "nothing can be mounted at {} of a container", mount.target);
    if (is_on_fixed_mount(resolved)) {
      mount.target = resolved;
      continue;
    }
    const bool directory = mount.kind == MountPoint::Kind::tmpfs ||
                           S_ISDIR(TRY_WITHIN(sys::stat_following(mount.source), "{}", mount.source).st_mode);
    mount.target = TRY(points.prepare(mount.target, directory ? PointKind::directory : PointKind::file));
  }
  return {};
}

// Resolved by us, so that the runtime meets no symlink: one to /proc/self/fd/7 led it out of the container once
// (CVE-2024-21626).
Result<void> prepare_cwd(Spec& spec, FdRef root, MountPoints& points) {
  const InRoot found = TRY_WITHIN(resolve_in_root(root, spec.cwd), "working directory {}", spec.cwd);
  const std::string resolved = "/" + found.path.str();
  if (is_below(resolved, "/proc")) return fail(EINVAL, "the working directory {} lies in /proc", spec.cwd);
  bool mounted = is_on_fixed_mount(resolved);
  for (const MountPoint& mount : spec.mounts) mounted = mounted || is_below(resolved, mount.target);
  spec.cwd = resolved;
  if (!mounted) TRY_WITHIN(points.make_directory(resolved), "working directory {}", resolved);
  return {};
}

// 126 or 127 when the command cannot be started, said aloud.
std::optional<sys::Exit> refuse_command(FdRef root, const Spec& spec) {
  const std::string& name = spec.argv[0];
  switch (look_up_executable(root, spec)) {
    case Executable::not_found:
      if (name.find('/') == std::string::npos)
        log::error("{}: there is no such command in the container's PATH", name);
      else
        log::error("{}: there is no such file in the container", name);
      return sys::Exit{.code = kNotFound};
    case Executable::no_permission:
      log::error("{}: not an executable file in the container", name);
      return sys::Exit{.code = kCannotExecute};
    case Executable::yes:
    case Executable::unknown:
      break;
  }
  return std::nullopt;
}

// What the runtime could not do, sorted: the command's fault is an exit code, anything else an error.
Result<sys::Exit> judge(const std::string& complaint, const Runtime& runtime, const Spec& spec) {
  const bool about_exec = complaint.find("exec") != std::string::npos;
  auto says = [&](const char* words) { return complaint.find(words) != std::string::npos; };
  if (about_exec && (says("no such file") || says("not found") || says("No such file"))) {
    log::error("{}: cannot be executed in the container: it, or the interpreter it names, is not there", spec.argv[0]);
    return sys::Exit{.code = kNotFound};
  }
  if (about_exec && (says("permission denied") || says("Permission denied") || says("exec format error") ||
                     says("Exec format error") || says("is a directory"))) {
    log::error("{}: cannot be executed in the container ({})", spec.argv[0], complaint);
    return sys::Exit{.code = kCannotExecute};
  }
  return fail(EIO, "starting the container with {}: {}", runtime.program, complaint);
}

// Starts the runtime and stays with it to the end.
Result<sys::Exit> attend(sys::Command command, const Invocation& invocation, Stdio stdio) {
  for (const auto& [fd, as] : {std::pair{stdio.in, 0}, std::pair{stdio.out, 1}, std::pair{stdio.err, 2}})
    if (fd) command.fds.push_back({fd, as});
  std::optional<Console> console;
  if (invocation.console)
    console.emplace(TRY(Console::listen(invocation.bundle, stdio.in ? stdio.in : FdRef{0},
                                        stdio.out ? stdio.out : FdRef{1})));
  const HeldSignals signals;
  sys::Child child = TRY(sys::spawn(command));
  WaitHooks hooks;
  if (console) hooks = {[&] { return console->watch(); }, [&] { console->resize(); }};
  const sys::Exit exit = TRY(wait_forwarding(signals, child, hooks));
  if (console) TRY(console->drain());
  return exit;
}

}  // namespace

Result<sys::Exit> launch(const Spec& wanted, const std::string& scratch_dir, Stdio stdio) {
  Spec spec = wanted;
  if (spec.argv.empty()) return fail(EINVAL, "no command to run");
  const Runtime runtime = TRY(choose_runtime());
  spec.surroundings = TRY(look_around());
  spec.surroundings.child_uids = runtime.child_uids;
  spec.surroundings.child_gids = runtime.child_gids;

  const Fd root = TRY_WITHIN(sys::open(spec.rootfs, O_PATH | O_DIRECTORY), "opening the root file system {}", spec.rootfs);
  MountPoints points(root.ref());
  for (const char* fixed : {"dev", "proc", "sys"}) TRY(points.prepare_fixed(fixed));
  for (MountPoint& file : TRY(make_etc_files(spec, scratch_dir))) spec.mounts.push_back(std::move(file));
  TRY(prepare_mounts(spec, root.ref(), points));
  TRY(prepare_cwd(spec, root.ref(), points));
  if (auto refused = refuse_command(root.ref(), spec)) return *refused;

  const std::string config = TRY(to_oci_config(spec));
  const std::string config_path = scratch_dir + "/config.json";
  TRY_WITHIN(sys::write_file_atomically({kWorkingDir, config_path.c_str()}, config, 0600), "writing {}", config_path);
  Invocation invocation{.bundle = scratch_dir, .id = new_id()};
  if (spec.terminal) invocation.console = Console::kSocketName;
  auto ended = attend(run_command(runtime, invocation), invocation, stdio);
  // Whatever happened, nothing of it goes on running.
  TRY(remove_container(runtime, invocation));
  const sys::Exit exit = TRY(std::move(ended));
  if (!exit.ok())
    if (auto complaint = runtime_complaint(invocation)) return judge(*complaint, runtime, spec);
  return exit;
}

}  // namespace acetate::sandbox
