#include "cli/doctor.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/statvfs.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <tuple>

#include "base/sys/file.h"
#include "base/sys/process.h"
#include "base/sys/xattr.h"
#include "builder/sandbox/delegated_cgroup.h"
#include "builder/sandbox/holder.h"
#include "builder/sandbox/network.h"
#include "builder/sandbox/rootfs.h"
#include "builder/sandbox/runtime.h"
#include "builder/sandbox/scratch.h"
#include "builder/sandbox/spec.h"
#include "builder/sandbox/surroundings.h"
#include "builder/unpack.h"
#include "cli/run_commands.h"
#include "fs/mount.h"

namespace acetate::cli {

namespace {

using State = Check::State;

// Runs something in a holder and brings its words back: "" for success.
std::string try_inside(const sandbox::HolderPlan& plan, const std::function<Result<void>()>& what) {
  auto words = sys::make_pipe();
  if (!words) return words.error().message();
  const auto code = sandbox::run_in_holder(plan, [&] {
    words->read.reset();
    const auto done = what();
    if (done) return 0;
    return sys::write_full(words->write.ref(), done.error().message()) ? 1 : 2;
  });
  words->write.reset();
  if (!code) return code.error().message();
  if (*code == 0) return {};
  auto said = sys::read_all(words->read.ref(), 1 << 16);
  return said ? *said : said.error().message();
}

// The way out stands at the end of the words of what went wrong, in parentheses or behind a semicolon; here it has a place of its own.
Check with_way_out(Check check) {
  if (!check.fix.empty() || check.state == State::good) return check;
  std::string& found = check.found;
  const bool closes = found.ends_with(')');
  const std::size_t at = found.rfind(closes ? " (" : "; ");
  if (at == std::string::npos) return check;
  check.fix = found.substr(at + 2, found.size() - at - 2 - (closes ? 1 : 0));
  found.resize(at);
  return check;
}

Check kernel() {
  utsname names{};
  ::uname(&names);
  return {State::good, "kernel", fmt::format("{} {}", names.release, names.machine)};
}

Check fuse_device() {
  if (const auto device = sys::open("/dev/fuse", O_RDWR)) return {State::good, "/dev/fuse", "can be opened"};
  else  // whether it can be done without is seen by mounting
    return {State::degraded, "/dev/fuse", fmt::format("{}: layers are unpacked for each run instead, which takes time and room", device.error().message()), "as root: modprobe fuse; chmod 666 /dev/fuse; in a container: --device /dev/fuse"};
}

Check daemon() {
  const auto program = fs::find_daemon();
  constexpr const char* kFix = "install it beside acetate, or name it in ACETATE_FUSE_OVERLAY";
  if (!program) return {State::bad, "fuse-overlay", program.error().message(), kFix};
  const auto ran = sys::run_captured({.argv = {*program, "--version"}});
  if (!ran || !ran->exit.ok()) return {State::bad, "fuse-overlay", fmt::format("{} does not run", *program), kFix};
  return {State::good, "fuse-overlay", ran->out.substr(0, ran->out.find('\n'))};
}

Check ids(const sandbox::HolderPlan& plan) {
  if (plan.mode == sandbox::IdMode::single) return with_way_out({State::degraded, "user ids", fmt::format("one only: {}", plan.why)});
  return {State::good, "user ids", plan.why};
}

Check processes(const sandbox::HolderPlan& plan) {
  if (plan.own_pids) return {State::good, "/proc", "a new one can be mounted"};
  return {State::degraded, "/proc", "no new one may be mounted, so a container sees our processes", "docker run --security-opt systempaths=unconfined, podman run --security-opt unmask=ALL"};
}

Check real_mount(const sandbox::HolderPlan& plan, const Paths& paths) {
  const std::string words = try_inside(plan, [&]() -> Result<void> {
    auto rootfs = TRY(sandbox::Rootfs::make({}, {.scratch_base = runs_dir(paths), .ids = plan.mode, .unpack = build::unpack_layers}));
    TRY(sys::open(rootfs.path() + "/written", O_WRONLY | O_CREAT, 0644));
    return rootfs.unmount();
  });
  if (words.empty()) return {State::good, "mounting", "a root file system was mounted, written to and unmounted"};
  Check check = with_way_out({State::bad, "mounting", words});
  if (check.fix.empty()) check.fix = "mend what else is said here to be missing: the daemon, /dev/fuse, storage";
  return check;
}

// Only a choice: where it is not to be had, nothing is lost but speed.
Check kernel_upper(const sandbox::HolderPlan& plan, const Paths& paths) {
  const std::string words = try_inside(plan, [&]() -> Result<void> {
    auto rootfs = TRY(sandbox::Rootfs::make({}, {.scratch_base = runs_dir(paths), .ids = plan.mode, .upper_kind = sandbox::UpperKind::kernel}));
    TRY(sys::open(rootfs.path() + "/written", O_WRONLY | O_CREAT, 0644));
    return rootfs.unmount();
  });
  return {State::good, "kernel upper", words.empty() ? "--upper=kernel works" : fmt::format("--upper=auto takes ours: {}", words)};
}

Check runtime(const sandbox::HolderPlan& plan, const char* name) {
  const std::string words = try_inside(plan, [&]() -> Result<void> { return TRY(sandbox::try_runtime(name)), Result<void>(); });
  if (words.empty()) return {State::good, name, "ran a container"};
  return {State::degraded, name, words, std::string_view(name) == "native" ? "" : fmt::format("not needed where another works; apt install {}", name)};
}

// What does not work and need not, since another of its kind does.
void pass_over(Check& check) {
  check.state = State::good;
  check.found = fmt::format("not needed, and does not work: {}", check.found);
}

// One of them is enough.
void add_runtimes(std::vector<Check>& checks, const sandbox::HolderPlan& plan) {
  bool any = false;
  const std::size_t first = checks.size();
  for (const char* name : {"runc", "crun", "native"}) {
    checks.push_back(runtime(plan, name));
    any = any || checks.back().state == State::good;
  }
  for (std::size_t i = first; i < checks.size(); ++i) {
    if (checks[i].state == State::good) continue;
    if (any) pass_over(checks[i]);
    else checks[i].state = State::bad;
  }
}

// Each helper really makes a network; one of them is enough.
void add_networks(std::vector<Check>& checks, const sandbox::HolderPlan& plan, const Paths& paths) {
  std::vector<Check> found;
  bool any = false;
  for (const auto& [name, network, fix] : {std::tuple("pasta", sandbox::Network::pasta, "apt install passt; as root: modprobe tun; chmod 666 /dev/net/tun"),
                                           std::tuple("slirp4netns", sandbox::Network::slirp4netns, "apt install slirp4netns; as root: modprobe tun; chmod 666 /dev/net/tun")}) {
    const std::string words = try_inside(plan, [&]() -> Result<void> {
      const auto scratch = TRY(sandbox::Scratch::make(runs_dir(paths)));
      sandbox::Spec spec;
      spec.network = network;
      TRY(sandbox::NetworkHelper::start(spec, scratch.path()));
      return {};
    });
    any = any || words.empty();
    found.push_back(words.empty() ? Check{State::good, name, "made a network"} : Check{State::degraded, name, words, fix});
  }
  for (Check& check : found) {
    if (any && check.state != State::good) pass_over(check);
    checks.push_back(std::move(check));
  }
}

// Makes a cgroup where the limits of a container would be kept, and removes it.
Check cgroups() {
  constexpr const char* kName = "limits";
  if (const auto root = sandbox::is_real_root(); !root || !*root) {
    const auto made = sandbox::DelegatedCgroup::make(sandbox::cgroup_limits({.memory = 1 << 30, .cpus = 1, .pids = 1000}));
    if (made) return {State::good, kName, "a cgroup that was given to us can be divided"};
    return with_way_out({State::degraded, kName, fmt::format("--memory, --cpus and --pids-limit are not kept: {}", made.error().message())});
  }
  const auto dir = sys::open("/sys/fs/cgroup", O_PATH | O_DIRECTORY);
  if (!dir) return {State::degraded, kName, "there are no cgroups here, so --memory, --cpus and --pids-limit are not kept", "mount -t cgroup2 cgroup2 /sys/fs/cgroup"};
  const auto type = sys::statfs(dir->ref());
  const bool unified = type && static_cast<unsigned long>(type->f_type) == CGROUP2_SUPER_MAGIC;
  const char* version = unified ? "cgroup v2" : "cgroup v1";
  const std::string path = fmt::format("/sys/fs/cgroup/{}acetate-doctor-{}", unified ? "" : "pids/", ::getpid());
  const auto made = sys::mkdir({kWorkingDir, path.c_str()}, 0755);
  if (!made)
    return {State::degraded, kName, fmt::format("{}, and no group can be made ({}): --memory, --cpus and --pids-limit are not kept", version, made.error().message()), "in a container: show it /sys/fs/cgroup writable"};
  static_cast<void>(::rmdir(path.c_str()));
  return {State::good, kName, fmt::format("{}, a group can be made", version)};
}

// A mount that the person sees, outside of every namespace of ours.
Check plain_mount(const Paths& paths) {
  constexpr const char* kName = "acetate mount";
  const auto tried = [&]() -> Result<void> {
    const auto scratch = TRY(sandbox::Scratch::make(runs_dir(paths)));
    const std::string lower = scratch / "lower", target = scratch / "target";
    TRY(sys::make_dirs(lower, 0755));
    TRY(sys::make_dirs(target, 0755));
    fs::MountRequest request{.lowers = {lower}, .target = target};
    auto mount = TRY(fs::Mount::start(request));
    return mount.unmount();
  }();
  if (tried) return {State::good, kName, "mounted and unmounted outside of namespaces"};
  return {State::degraded, kName, fmt::format("outside of namespaces: {}", tried.error().message()),
          sys::find_program("fusermount3") ? "as root: modprobe fuse; chmod 666 /dev/fuse; chmod u+s of fusermount3" : "apt install fuse3"};
}

// Where everything is kept: what its file system can do.
std::vector<Check> storage(const Paths& paths) {
  if (auto made = sys::make_dirs(paths.data, 0700); !made) return {{State::bad, "storage", fmt::format("{}: {}", paths.data, made.error().message()), "set ACETATE_ROOT to a directory that can be written"}};
  const std::string name = fmt::format("{}/.doctor-{}", paths.data, ::getpid());
  const std::string copy = name + ".copy";
  std::vector<Check> checks;
  if (auto file = sys::open(name, O_RDWR | O_CREAT | O_EXCL, 0600)) {
    const auto written = sys::write_full(file->ref(), std::string_view("x"));
    const auto set = sys::set_xattr(file->ref(), "user.acetate", "x");
    struct statvfs space {};
    const bool known = ::statvfs(paths.data.c_str(), &space) == 0;
    const double free = known ? static_cast<double>(space.f_bavail) * static_cast<double>(space.f_frsize) / 1e9 : 0;
    const State enough = !written ? State::bad : free < 1 ? State::degraded : State::good;
    checks.push_back({enough, "storage", fmt::format("{}: {:.1f} GB free", paths.data, free), enough == State::good ? "" : "make room, or set ACETATE_ROOT"});
    if (set) checks.push_back({State::good, "attributes", "user.* attributes can be kept"});
    else
      checks.push_back({State::degraded, "attributes", fmt::format("no user.* attributes in {}: {}", paths.data, set.error().message()), "set ACETATE_ROOT to a directory on another file system (not NFS)"});
    static_cast<void>(::unlink(name.c_str()));
  } else {
    checks.push_back({State::bad, "storage", fmt::format("{}: {}", paths.data, file.error().message()), "set ACETATE_ROOT to a directory that can be written"});
  }
  return checks;
}

}  // namespace

std::vector<Check> examine(const Paths& paths) {
  std::vector<Check> checks{kernel(), fuse_device(), daemon()};
  const auto plan = sandbox::plan_holder();
  if (!plan) {
    Check none = with_way_out({State::bad, "user namespaces", plan.error().message()});
    none.found += ". What works without one: pull, push, copy, ls, cat, tar, inspect, and builds without RUN";
    checks.push_back(std::move(none));
  } else {
    checks.push_back({State::good, "user namespaces", plan->mode == sandbox::IdMode::none ? "not needed" : "can be made"});
    checks.push_back(ids(*plan));
    checks.push_back(processes(*plan));
    checks.push_back(real_mount(*plan, paths));
    checks.push_back(kernel_upper(*plan, paths));
    add_runtimes(checks, *plan);
    add_networks(checks, *plan, paths);
  }
  checks.push_back(cgroups());
  checks.push_back(plain_mount(paths));
  for (Check& check : storage(paths)) checks.push_back(std::move(check));
  return checks;
}

}  // namespace acetate::cli
