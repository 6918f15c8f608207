#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include <random>

#include "base/log.h"
#include "base/sys/file.h"
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
  bool on_volume = false;
  for (const MountPoint& mount : spec.mounts) on_volume = on_volume || is_below(resolved, mount.target);
  // The runtime makes /dev anew, with /dev/fd -> /proc/self/fd in it.
  if (is_below(resolved, "/dev") && resolved != "/dev" && !is_below(resolved, "/dev/shm") && !on_volume)
    return fail(EINVAL, "the working directory {} lies in /dev", spec.cwd);
  const bool mounted = on_volume || is_on_fixed_mount(resolved);
  spec.cwd = resolved;
  if (!mounted) TRY_WITHIN(points.make_directory(resolved), "working directory {}", resolved);
  return {};
}

// 126 or 127 when the command cannot be started, said aloud.
std::optional<sys::Exit> refuse_command(Executable found, const std::string& name) {
  switch (found) {
    case Executable::not_found:
      if (name.find('/') == std::string::npos)
        log::error("{}: there is no such command in the container's PATH", name);
      else
        log::error("{}: there is no such file in the container", name);
      return sys::Exit{.code = kNotFound};
    case Executable::no_permission:
      log::error("{}: not an executable file in the container", name);
      return sys::Exit{.code = kCannotExecute};
    case Executable::no_interpreter:
      log::error("{}: the interpreter or loader it names is not in the container", name);
      return sys::Exit{.code = kNotFound};
    case Executable::yes:
    case Executable::odd_format:
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

// The mode of the person's terminal, given back at the end: the runtime puts it into raw mode while it stands
// between it and the container's, and may be killed then.
class TerminalMode {
 public:
  static Result<TerminalMode> keep(FdRef terminal) {
    TerminalMode mode(terminal);
    if (::tcgetattr(terminal.fd, &mode.before_) != 0)
      return fail(ENOTTY, "a terminal is asked for, but standard input is none");
    return mode;
  }
  void restore() const { ::tcsetattr(terminal_.fd, TCSADRAIN, &before_); }

 private:
  explicit TerminalMode(FdRef terminal) : terminal_(terminal) {}
  FdRef terminal_;
  termios before_{};
};

// Starts the runtime and stays with it to the end.
Result<sys::Exit> attend(sys::Command command, bool terminal, Stdio stdio) {
  for (const auto& [fd, as] : {std::pair{stdio.in, 0}, std::pair{stdio.out, 1}, std::pair{stdio.err, 2}})
    if (fd) command.fds.push_back({fd, as});
  std::optional<TerminalMode> mode;
  if (terminal) mode = TRY(TerminalMode::keep(stdio.in ? stdio.in : FdRef{0}));
  const HeldSignals signals;
  sys::Child child = TRY(sys::spawn(command));
  auto exit = wait_forwarding(signals, child);
  if (mode) mode->restore();
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
  const Executable command = look_up_executable(root.ref(), spec);
  if (auto refused = refuse_command(command, spec.argv[0])) return *refused;

  const std::string config = TRY(to_oci_config(spec));
  const Invocation invocation{.bundle = scratch_dir, .id = new_id()};
  TRY_WITHIN(make_bundle(invocation, config), "making the container's bundle in {}", scratch_dir);
  auto ended = attend(run_command(runtime, invocation), spec.terminal, stdio);
  // Whatever happened, nothing of it goes on running.
  if (auto removed = remove_container(runtime, invocation); !removed)
    log::warn("removing the container: {}", removed.error().message());
  const sys::Exit exit = TRY(std::move(ended));
  if (!exit.ok())
    if (auto complaint = runtime_complaint(invocation)) return judge(*complaint, runtime, spec);
  // The kernel's ENOEXEC, which runc says on the container's stderr and ends with 1.
  if (exit.code == 1 && command == Executable::odd_format) return sys::Exit{.code = kCannotExecute};
  return exit;
}

}  // namespace acetate::sandbox
