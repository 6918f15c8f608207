#include <fcntl.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <thread>

#include "base/log.h"
#include "base/sys/file.h"
#include "builder/backlog.h"
#include "builder/runner.h"
#include "builder/sandbox/cdi.h"
#include "builder/sandbox/ending.h"
#include "builder/sandbox/memory_fs.h"
#include "builder/sandbox/rootfs.h"
#include "builder/sandbox/spec.h"
#include "builder/sandbox_mounts.h"
#include "builder/unpack.h"

namespace acetate::build {

namespace {

// Hands on what comes out of a pipe until its last writer is gone.
class Pump {
 public:
  static Result<Pump> start(const OutputSink& output) {
    sys::Pipe pipe = TRY(sys::make_pipe());
    Pump pump(std::move(pipe.write));
    pump.thread_ = std::thread([read = std::move(pipe.read), &output] {
      std::byte buffer[16 << 10];
      for (;;) {
        const auto got = sys::read(read.ref(), buffer);
        if (!got || *got == 0) return;
        output({reinterpret_cast<const char*>(buffer), *got});
      }
    });
    return pump;
  }
  Pump(Pump&&) noexcept = default;
  ~Pump() {
    write_.reset();
    if (thread_.joinable()) thread_.join();
  }
  FdRef write_end() const { return write_.ref(); }

 private:
  explicit Pump(Fd write) : write_(std::move(write)) {}
  Fd write_;
  std::thread thread_;
};

class SandboxRunner : public Runner {
 public:
  SandboxRunner(std::string scratch_base, sandbox::IdMode ids, sandbox::UpperKind upper)
      : scratch_base_(std::move(scratch_base)), ids_(ids), upper_(upper) {}

  std::string kind() const override { return ids_ == sandbox::IdMode::single ? "sandbox, one id, owners recorded" : "sandbox"; }

  void end_all() override {
    if (ending_) ending_->end();
  }

  Result<RunOutcome> run(const RunStep& step, const std::vector<std::string>& lowers, const std::vector<ReadyMount>& mounts,
                         bool log_accesses, const OutputSink& output) override {
    if (!ending_) return ending_.error().clone();
    const sandbox::Ending::Running running(*ending_);
    auto root = std::make_shared<sandbox::Rootfs>(
        TRY(sandbox::Rootfs::make(lowers, {.scratch_base = scratch_base_,
                                           .ids = ids_,
                                           .upper_kind = upper_for(step, log_accesses),
                                           .log_accesses = log_accesses,
                                           .unpack = unpack_layers})));
    sandbox::Spec spec{.rootfs = root->path(), .argv = step.argv, .env = step.env, .cwd = step.cwd};
    spec.ending = ending_->of_commands();
    spec.env.insert(spec.env.end(), step.proxies.begin(), step.proxies.end());
    const sandbox::User user = TRY(sandbox::resolve_user(root->path(), step.user.empty() ? "0" : step.user));
    spec.uid = user.uid;
    spec.gid = user.gid;
    spec.groups = user.groups;
    if (!has_home(spec.env)) spec.env.push_back("HOME=" + user.home);
    spec.hostname = step.hostname;
    spec.network = step.network ? sandbox::Network::host : sandbox::Network::none;
    spec.capabilities = step.insecure ? sandbox::all_capabilities() : step.besides.capabilities.value_or(sandbox::build_capabilities());
    spec.resolver.nameservers = step.besides.nameservers;
    spec.mounts = step.besides.volumes;
    spec.hosts = step.hosts;
    if (step.shm_size != 0) spec.shm_size = step.shm_size;
    spec.limits = step.limits;
    spec.ids = ids_;
    spec.record_owners = root->notes_owners();
    // A runtime is handed the environment in a file. Where a secret is in it that lies in memory, on which no disk is, also when we are killed.
    std::optional<sandbox::MemoryFs> memory;
    if (has_secret_variable(mounts)) memory = TRY(sandbox::MemoryFs::mount(root->scratch()));
    SandboxMounts extra(root->scratch(), scratch_base_, ids_);
    for (const ReadyMount& mount : mounts) TRY_WITHIN(extra.add(mount, spec), "--mount={}", describe(mount.is));
    TRY(add_devices(step.devices, spec));
    if (step.script) spec.mounts.push_back(TRY(script_mount(*step.script, root->scratch())));

    const sys::Exit exit = TRY(launch(spec, root->scratch(), output));
    TRY(is_not_ended());
    // What was looked at is told by our daemon at its end; else nobody waits for that.
    TRY(log_accesses ? root->unmount() : root->complete_upper());
    Fd upper = TRY_WITHIN(sys::open(root->upper(), O_RDONLY | O_DIRECTORY), "opening what the step wrote");
    const WhiteoutFiles whiteout_files = root->kernel_wrote() ? WhiteoutFiles::refused : WhiteoutFiles::marks;
    std::optional<AccessedPaths> accessed;
    if (log_accesses) accessed = accessed_in(*root);
    TRY(is_not_ended());  // a signal that came meanwhile ends the build too, and nobody else will hear of it
    return RunOutcome{.exit = exit, .upper = std::move(upper), .whiteout_files = whiteout_files, .keeps = removed_later(std::move(root)), .accessed = std::move(accessed)};
  }

 private:
  // What a step wrote is in a layer by then, and nobody waits until thousands of files are removed.
  std::shared_ptr<void> removed_later(std::shared_ptr<sandbox::Rootfs> root) {
    void* const what = root.get();
    return {what, [this, root = std::move(root)](void*) mutable { removals_.add([root = std::move(root)]() mutable { root.reset(); }); }};
  }

  static Result<void> is_not_ended() {
    const int signal = sandbox::ended_by();
    return signal == 0 ? Result<void>() : Result<void>(fail(EINTR, "ended by SIG{}", ::sigabbrev_np(signal)));
  }

  // Where it is left to us, the kernel's, which makes small files in half the time, and ours where more is asked of it: with one id ours notes
  // owners, of a step that is recorded it sees each look at first hand, and a step with every capability may mount overlays of its own.
  sandbox::UpperKind upper_for(const RunStep& step, bool log_accesses) const {
    const bool ours = ids_ == sandbox::IdMode::single || log_accesses || step.insecure;
    return upper_ == sandbox::UpperKind::either && ours ? sandbox::UpperKind::own : upper_;
  }

  // For the cache alone: a step that succeeded does not fail for it.
  static std::optional<AccessedPaths> accessed_in(const sandbox::Rootfs& root) {
    auto text = root.accesses();
    if (text && !*text) return std::nullopt;
    auto paths = text ? parse_access_log(**text) : Result<AccessedPaths>(std::move(text).error());
    if (paths) return *std::move(paths);
    log::warn("what a step looked at is not known, so the cache does not go by it: {}", paths.error().message());
    return std::nullopt;
  }

  static Result<void> add_devices(const std::vector<RunStep::Device>& devices, sandbox::Spec& spec) {
    std::vector<std::string> by_cdi;  // all at once: what a specification says of its kind is done once
    for (const RunStep::Device& device : devices) {
      const bool is_node = device.name.starts_with('/');
      auto may_all = is_node ? Result<bool>(false) : sandbox::is_for_every_build(device.name);
      if (is_node && !sys::stat_following(device.name)) may_all = fail(ENOENT, "there is no device {}", device.name);
      if (!may_all && may_all.error().is(ENOENT) && !device.required) continue;
      if (!TRY(std::move(may_all)) && !device.allowed)
        return fail(EPERM, "entitlement device is not allowed: {0}; --allow device={0} allows it", device.name);
      if (is_node) spec.devices.push_back({.source = device.name, .target = device.name});
      else by_cdi.push_back(device.name);
    }
    return sandbox::add_cdi_devices(by_cdi, spec);
  }

  static std::string describe(const dockerfile::Mount& mount) {
    static constexpr const char* kTypes[] = {"bind", "cache", "tmpfs", "secret", "ssh"};
    return fmt::format("type={},target={}", kTypes[static_cast<std::size_t>(mount.type)], mount.target);
  }

  static bool has_secret_variable(const std::vector<ReadyMount>& mounts) {
    return std::ranges::any_of(mounts, [](const ReadyMount& mount) { return mount.is.type == dockerfile::Mount::Type::secret && mount.is.env; });
  }

  static bool has_home(const std::vector<std::string>& env) {
    for (const std::string& entry : env)
      if (entry.starts_with("HOME=")) return true;
    return false;
  }

  static Result<sandbox::MountPoint> script_mount(const RunStep::Script& script, const std::string& dir) {
    const std::string path = dir + "/script";
    TRY_WITHIN(sys::write_file_atomically({kWorkingDir, path.c_str()}, script.text, 0755), "writing {}", path);
    // Whatever our umask is: the step may run as somebody else.
    const Fd file = TRY_WITHIN(sys::open(path, O_PATH), "opening {}", path);
    TRY_WITHIN(sys::chmod(file.ref(), 0755), "making {} executable", path);
    return sandbox::MountPoint{.source = path, .target = script.path, .writable = false};
  }

  Result<sys::Exit> launch(const sandbox::Spec& spec, const std::string& scratch, const OutputSink& output) {
    const Fd nothing = TRY_WITHIN(sys::open("/dev/null", O_RDONLY), "opening /dev/null");
    const Pump pump = TRY(Pump::start(output));
    // So that a process that is not root can open /dev/stdout too, which opens the pipe anew.
    // With a single id everybody is root already.
    if (ids_ != sandbox::IdMode::single) TRY(sys::chown(pump.write_end(), spec.uid, spec.gid));
    return sandbox::launch(spec, scratch, {nothing.ref(), pump.write_end(), pump.write_end()});
  }

  std::string scratch_base_;
  sandbox::IdMode ids_;
  sandbox::UpperKind upper_;
  Result<sandbox::Ending> ending_ = sandbox::Ending::make();
  Backlog removals_;
};

}  // namespace

std::unique_ptr<Runner> make_sandbox_runner(std::string scratch_base, sandbox::IdMode ids, sandbox::UpperKind upper) {
  return std::make_unique<SandboxRunner>(std::move(scratch_base), ids, upper);
}

}  // namespace acetate::build
