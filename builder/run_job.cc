// RUN: the process runs over the layers below, and what it wrote becomes a layer. No tree is walked to find a
// difference: the upper directory is the difference.

#include "base/sys/file.h"
#include "builder/cache_mount.h"
#include "builder/dockerfile/json_array.h"
#include "builder/job.h"
#include "builder/layer_file.h"
#include "layers/delta.h"

namespace acetate::build {

namespace {

// "exit code 2", with the usual meaning of the codes a shell gives.
std::string explain_exit(const sys::Exit& exit) {
  if (exit.signal) return "the command " + exit.describe();
  if (exit.code == 127) return "the command was not found (exit code 127)";
  if (exit.code == 126) return "the command could not be executed (exit code 126)";
  return fmt::format("the command exited with {}", exit.code);
}

class RunJob : public Job {
 public:
  RunJob(const RunStep& step, FindMountSource find, const StageState& before, Workshop& shop)
      : step_(step), find_(std::move(find)), before_(before), shop_(shop) {}

  Result<KeyInputs> inputs() override {
    TRY(make_ready());
    KeyInputs inputs;
    inputs.add("step", "RUN");
    inputs.add("the command", dockerfile::format_json_array(step_.argv));
    if (step_.script) inputs.add("the script", step_.script->text);
    for (const std::string& entry : step_.env) {
      const std::size_t equals = entry.find('=');
      inputs.add("$" + entry.substr(0, equals), equals == std::string::npos ? "" : entry.substr(equals + 1));
    }
    inputs.add("the working directory", step_.cwd);
    inputs.add("the user", step_.user);
    inputs.add("the network", step_.network ? "host" : "none");
    if (step_.insecure) inputs.add("the security", "insecure");
    inputs.add("the host name", step_.hostname);
    for (std::size_t n = 0; n < mounts_.size(); ++n)
      inputs.add(fmt::format("mount {}", n + 1), describe(mounts_[n].is) + identities_[n]);
    inputs.add("the runner", shop_.runner.kind());
    add_common_inputs(inputs, before_, shop_);
    return inputs;
  }

  Result<Record> run(const OutputSink& output) override {
    StepClock clock(shop_.times, before_.clock);
    const std::vector<CacheMount> caches = TRY(open_caches());
    const RunOutcome outcome = TRY(shop_.runner.run(step_, before_.lowers(), mounts_, output));
    if (!outcome.exit.ok()) return fail(ECANCELED, "{}", explain_exit(outcome.exit));
    return keep(outcome, clock);
  }

 private:
  using Type = dockerfile::Mount::Type;

  // Finds what the mounts stand for. A secret or agent that was not given is left out, unless it is required.
  Result<void> make_ready() {
    for (const RunStep::Mount& mount : step_.mounts) {
      ReadyMount ready{.is = mount.is};
      std::string identity;
      if (mount.is.type == Type::secret || mount.is.type == Type::ssh) {
        const bool secret = mount.is.type == Type::secret;
        const Strings& given = secret ? shop_.secrets : shop_.agents;
        const auto found = given.find(mount.is.id);
        if (found == given.end()) {
          if (mount.is.required)
            return fail(ENOENT, "the {} \"{}\" is required and was not given: --{} {}…", secret ? "secret" : "ssh agent", mount.is.id,
                        secret ? "secret" : "ssh", secret ? "id=" + mount.is.id + "," : mount.is.id + "=");
          continue;
        }
        (secret ? ready.value : ready.socket) = found->second;
      } else if (mount.is.type == Type::bind || mount.from) {
        MountSource source = TRY_WITHIN(find_(mount), "the mount at {}", mount.is.target);
        identity = " " + source.identity;
        ready.lowers = std::move(source.lowers);
        ready.is.source = std::move(source.source);
      }
      mounts_.push_back(std::move(ready));
      identities_.push_back(std::move(identity));
    }
    return {};
  }

  // Of a secret the name only.
  static std::string describe(const dockerfile::Mount& is) {
    static constexpr const char* kTypes[] = {"bind", "cache", "tmpfs", "secret", "ssh"};
    std::string text = fmt::format("{} at {} {}", kTypes[static_cast<std::size_t>(is.type)], is.target, is.read_only ? "ro" : "rw");
    if (!is.id.empty()) text += " id " + is.id;
    if (!is.source.empty() && is.type != Type::secret) text += " from " + is.source;
    if (is.env) text += " as $" + *is.env;
    if (is.size != 0) text += fmt::format(" {} bytes", is.size);
    return text;
  }

  Result<std::vector<CacheMount>> open_caches() {
    std::vector<CacheMount> caches;
    for (std::size_t n = 0; n < mounts_.size(); ++n) {
      ReadyMount& mount = mounts_[n];
      if (mount.is.type != Type::cache) continue;
      // One that begins with files of another tree is an overlay on it, and only one at a time can be.
      const auto sharing = mount.lowers.empty() ? mount.is.sharing : dockerfile::Mount::Sharing::locked;
      // One that is to belong to somebody else is another one.
      std::string id = mount.is.id + identities_[n];
      if (mount.is.uid || mount.is.gid || mount.is.mode)
        id += fmt::format(" of {}:{} {:o}", mount.is.uid.value_or(0), mount.is.gid.value_or(0), mount.is.mode.value_or(0755));
      caches.push_back(TRY(CacheMount::open(shop_.build_dir, id, sharing)));
      mount.dir = caches.back().dir();
      mount.dir_is_new = caches.back().is_new();
    }
    return caches;
  }

  Result<Record> keep(const RunOutcome& outcome, StepClock& clock) {
    const LayerPtr below = TRY(shop_.layers.tree(before_));
    bool changed = false;
    TRY_WITHIN(read_upper(TRY(sys::dup(outcome.upper.ref())), below.get(),
                          [&](const DeltaOp& op, const FileView*) -> Result<void> {
                            clock.learn(op.attr.mtime);
                            changed = changed || op.kind != DeltaOp::Kind::implicit_dir;
                            return {};
                          }),
               "reading what the step wrote");
    if (!changed) return Record{.clock = before_.clock};

    const auto file = TRY(LayerFile::begin(shop_.cache));
    TRY_WITHIN(read_upper(TRY(sys::dup(outcome.upper.ref())), below.get(),
                          [&](const DeltaOp& op, const FileView* content) -> Result<void> {
                            DeltaOp stamped = op;
                            stamped.attr.mtime = clock.of_output(op.attr.mtime);
                            return file->add(stamped, content);
                          }),
               "writing what the step wrote");
    return Record{.layer = TRY(file->commit()), .clock = clock.now()};
  }

  const RunStep& step_;
  FindMountSource find_;
  std::vector<ReadyMount> mounts_;
  std::vector<std::string> identities_;  // of what each shows
  const StageState& before_;
  Workshop& shop_;
};

}  // namespace

std::unique_ptr<Job> make_run_job(const RunStep& step, FindMountSource find, const StageState& before, Workshop& shop) {
  return std::make_unique<RunJob>(step, std::move(find), before, shop);
}

}  // namespace acetate::build
