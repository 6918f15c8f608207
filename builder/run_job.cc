// RUN: the process runs over the layers below, and what it wrote becomes a layer. No tree is walked to find a
// difference: the upper directory is the difference.

#include <algorithm>
#include <future>
#include <map>
#include <stop_token>

#include "base/sys/file.h"
#include "base/timespec.h"
#include "builder/bytecode.h"
#include "builder/dockerfile/json_array.h"
#include "builder/emulation.h"
#include "builder/explain.h"
#include "builder/job.h"
#include "builder/layer_file.h"
#include "builder/placed_record.h"
#include "builder/reads.h"
#include "builder/tree_digest.h"
#include "builder/tree_view.h"
#include "layers/delta.h"

namespace acetate::build {

namespace {

// As docker build says it, with the usual meaning of the codes a shell gives.
std::string explain_exit(const std::vector<std::string>& argv, const sys::Exit& exit) {
  std::string command;
  for (const std::string& word : argv) command += (command.empty() ? "" : " ") + word;
  std::string why;
  if (exit.signal) why = fmt::format(" (it {})", exit.describe());
  if (exit.code == 127) why = " (the command was not found)";
  if (exit.code == 126) why = " (the command could not be executed)";
  const std::string quoted = dockerfile::format_json_array({command});
  return fmt::format("process {} did not complete successfully: exit code: {}{}", quoted.substr(1, quoted.size() - 2), exit.shell_code(), why);
}

class RunJob : public Job {
 public:
  RunJob(const RunStep& step, FindMountSource find, const StageState& before, Workshop& shop)
      : step_(step), find_(std::move(find)), before_(before), shop_(shop) {}

  Result<KeyInputs> inputs() override {
    TRY(make_ready());
    KeyInputs inputs;
    inputs.add("step", "RUN");
    const std::string command = dockerfile::format_json_array(step_.argv);
    inputs.add("the command", command);
    // JSON holds no bytes that are no UTF-8: commands that differ in such are told apart all the same.
    if (dockerfile::parse_json_array(command).items != step_.argv)
      for (const std::string& word : step_.argv) inputs.add("a word of it", word);
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
    for (const std::string& host : step_.hosts) inputs.add("the host " + host.substr(host.find('\t') + 1), host);
    if (step_.shm_size != 0) inputs.add("the size of /dev/shm", std::to_string(step_.shm_size));
    for (const sandbox::Limit& limit : step_.limits) inputs.add(limit.name, fmt::format("{}:{}", limit.soft, limit.hard));
    for (const sandbox::MountPoint& volume : step_.besides.volumes)
      inputs.add("the volume at " + volume.target, volume.source + (volume.writable ? "" : " read-only"));
    if (step_.besides.capabilities) inputs.add("the capabilities", dockerfile::format_json_array(*step_.besides.capabilities));
    for (std::size_t n = 0; n < mounts_.size(); ++n)
      inputs.add(fmt::format("mount {}", n + 1), describe(mounts_[n].is) + identities_[n]);
    for (const RunStep::Device& device : step_.devices) inputs.add("the device " + device.name, "");
    inputs.add("the runner", shop_.runner.kind());
    KeyInputs without_layers = inputs;
    add_platform_inputs(without_layers, before_, shop_);
    command_ = without_layers.digest();
    add_common_inputs(inputs, before_, shop_);
    return inputs;
  }

  Result<Answer> find_otherwise() override {
    Answer answer;
    if (!TRY(shop_.cache.knows_step(command_))) return answer;
    if (shop_.trace == TraceRule::never) return answer;
    // What `key` finds, as it stands here.
    const auto find = [&](const Digest& key, MayBe age) -> Result<std::optional<Record>> {
      const auto found = TRY(shop_.cache.find(key));
      if (!found) return std::optional<Record>();
      auto placed = TRY(place_record(*found, before_, shop_.times, age, shop_.cache));
      if (!placed) answer.outdated = true;
      return placed;
    };
    const Digest by_content = content_key(TRY(tree_digest(before_, shop_.layers, shop_.cache))).digest();
    if (const auto same = TRY(find(by_content, MayBe::as_old))) {
      answer.hit = Hit{.record = *same, .why = "the layers below are others, and all that is in them is the same", .key = by_content};
      return answer;
    }
    if (!is_believed() && !shop_.explain) return answer;
    const LayerPtr below = TRY(shop_.layers.tree(before_));
    for (const Reads& reads : TRY(shop_.cache.reads(command_))) {
      const KeyInputs seen = TRY(look_at(reads.paths, *below, contents_));
      const Digest by_reads = reads_key(seen).digest();
      if (!is_believed()) {
        if (TRY(shop_.cache.find(by_reads))) {
          would_do_ = reads.paths;
          break;
        }
      } else if (const auto record = TRY(find(by_reads, MayBe::older))) {
        answer.hit = Hit{.record = *record,
                         .why = fmt::format("the layers below have changed, and nothing of the {} paths that this step looks at", reads.paths.size()),
                         .key = by_reads,
                         .by_reads = true};
        return answer;
      }
      if (why_not_.empty() && !reads.seen.items().empty()) why_not_ = first_difference(reads.seen, seen).value_or("");
    }
    return answer;
  }

  std::string why_not() const override { return why_not_.empty() ? "" : "of what the step looked at last time, " + why_not_; }

  Result<std::string> way_out() override {
    if (!would_do_) return std::string();
    return tell_way_out(TRY(own_paths(*would_do_, before_, shop_.layers)));
  }

  Result<std::string> what_it_reads() override {
    if (accessed_) return tell_reads(TRY(own_paths(*accessed_, before_, shop_.layers)));
    const auto known = TRY(shop_.cache.reads(command_));
    if (known.empty()) return std::string();
    return tell_reads(TRY(own_paths(known.front().paths, before_, shop_.layers)));
  }

  bool is_of_its_epoch() const override { return cut_; }

  Result<std::vector<KeyInputs>> further_keys() override {
    // What is found by them was to be forgotten.
    if (anew_) TRY(shop_.cache.forget_step(command_));
    std::vector<KeyInputs> keys;
    if (is_hashed()) keys.push_back(content_key(TRY(tree_digest(before_, shop_.layers, shop_.cache))));
    if (accessed_) {
      Reads reads{.paths = *accessed_, .seen = {}};
      reads.seen = TRY(look_at(reads.paths, *TRY(shop_.layers.tree(before_)), contents_));
      keys.push_back(reads_key(reads.seen));
      TRY(shop_.cache.add_reads(command_, keys.back().digest(), reads));
    }
    for (const KeyInputs& key : keys) TRY(shop_.cache.add_step(command_, key.digest()));
    return keys;
  }

  Result<Record> run(const OutputSink& output, bool anew) override {
    StepClock clock(shop_.times, before_.clock);
    anew_ = anew;
    const std::vector<CacheMount> caches = TRY(open_caches());
    // While the command runs, or where no thread is to be had after it: what is below is hashed once, for the next time. Whether
    // that worked is asked in further_keys(): the step does not fail for it.
    std::stop_source failed;  // then nobody asks for it
    auto hashed = std::async(std::launch::async | std::launch::deferred, [this, stop = failed.get_token()]() -> Result<void> {
      if (is_hashed()) TRY(tree_digest(before_, shop_.layers, shop_.cache, stop));
      return {};
    });
    auto outcome = shop_.runner.run(step_, before_.lowers(), mounts_, is_recorded(), output);
    if (!outcome || !outcome->exit.ok()) {
      failed.request_stop();
      Error why = outcome ? fail(ECANCELED, "{}", explain_exit(step_.argv, outcome->exit)) : std::move(outcome).error();
      // What cannot be executed is no command that failed.
      const bool was_executed = outcome && outcome->exit.code != 126;
      const std::string hint = was_executed ? std::string() : emulation_hint(before_.config.platform);
      if (hint.empty()) return why;
      return fail(why.code(), "{}; {}", why.message(), hint);
    }
    hashed.wait();
    accessed_ = std::move(outcome->accessed);
    return keep(*outcome, clock);
  }

 private:
  using Type = dockerfile::Mount::Type;

  // With every capability there are ways to the files of the layers that the daemon does not see, and what a volume holds it never sees.
  bool is_recorded() const {
    if (step_.insecure || step_.besides.capabilities || !step_.besides.volumes.empty() || shop_.trace == TraceRule::never) return false;
    return shop_.trace != TraceRule::without_network || !step_.network || shop_.explain;
  }
  // Whether what it looks at may stand for all that it depends on.
  bool is_believed() const { return is_recorded() && (shop_.trace != TraceRule::without_network || !step_.network); }

  // Whether all that is below is hashed for later builds. Not for who wants nothing but what was just made, or nothing to be known of
  // what is below: it takes time.
  bool is_hashed() const { return !anew_ && shop_.trace != TraceRule::never; }

  KeyInputs content_key(const Digest& tree) const {
    KeyInputs key;
    key.add("step", "RUN, by all that is below");
    key.add("the command", command_.str());
    key.add("the files below", tree.str());
    return key;
  }
  KeyInputs reads_key(const KeyInputs& seen) const {
    KeyInputs key;
    key.add("step", "RUN, by what it looks at");
    key.add("the command", command_.str());
    key.add("what it looks at", seen.digest().str());
    return key;
  }

  // Whether its time is the one it had below, as after chmod(1), and of a directory that only holds what was written. The base may be so
  // young that it would look like the step's own.
  //
  // A step that is recorded sees directories without their times, and copies them up so: the time is put right first. What it copied
  // or moved elsewhere with that time is as new as all else that it made.
  Result<bool> has_time_of_below(DeltaOp& op, const TreeView& below, const StepClock& clock) const {
    if (op.kind == DeltaOp::Kind::remove) return false;
    const auto seen = TRY(below.at(op.path));
    if (is_recorded() && op.attr.is_dir() && same_time(op.attr.mtime, kObservedDirTime))
      op.attr.mtime = seen && seen->attr.is_dir() ? seen->attr.mtime : clock.began();
    return seen && same_time(seen->attr.mtime, op.attr.mtime);
  }

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
            return secret ? fail(ENOENT, "secret {0}: not found; it is required: --secret id={0},…", mount.is.id)
                          : fail(ENOENT, "ssh agent {0}: not found; it is required: --ssh {0}=…", mount.is.id);
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
    if (is.uid) text += fmt::format(" uid {}", *is.uid);
    if (is.gid) text += fmt::format(" gid {}", *is.gid);
    if (is.mode) text += fmt::format(" mode {:o}", *is.mode);
    return text;
  }

  // One that is to belong to somebody else is another one.
  std::string cache_id(std::size_t mount) const {
    const dockerfile::Mount& is = mounts_[mount].is;
    std::string id = is.id + identities_[mount];
    if (is.uid || is.gid || is.mode) id += fmt::format(" of {}:{} {:o}", is.uid.value_or(0), is.gid.value_or(0), is.mode.value_or(0755));
    return id;
  }

  // What is alone with a cache comes before who is not, and who waits for that before who takes another one.
  static int strictness(dockerfile::Mount::Sharing sharing) {
    using Sharing = dockerfile::Mount::Sharing;
    return sharing == Sharing::locked ? 2 : sharing == Sharing::private_ ? 1 : 0;
  }

  // Mounts of one id show one directory, taken once: nobody waits for himself. All ids in one order, the same for every step of every
  // build: no two steps wait for each other.
  Result<std::vector<CacheMount>> open_caches() {
    using Sharing = dockerfile::Mount::Sharing;
    std::map<std::string, std::vector<std::size_t>> by_id;
    for (std::size_t n = 0; n < mounts_.size(); ++n)
      if (mounts_[n].is.type == Type::cache) by_id[cache_id(n)].push_back(n);
    std::vector<CacheMount> caches;
    for (const auto& [id, mounts] : by_id) {
      Sharing sharing = Sharing::shared;
      for (const std::size_t n : mounts) {
        // One that begins with files of another tree is an overlay on it, and only one at a time can be.
        const Sharing wanted = mounts_[n].lowers.empty() ? mounts_[n].is.sharing : Sharing::locked;
        if (strictness(wanted) > strictness(sharing)) sharing = wanted;
      }
      const bool empty = anew_ && shop_.emptied.add(id);
      caches.push_back(TRY(CacheMount::open(shop_.build_dir, id, sharing, empty)));
      if (mounts_[mounts.front()].lowers.empty()) shop_.filled.add(id);
      for (const std::size_t n : mounts) {
        mounts_[n].dir = caches.back().dir();
        mounts_[n].dir_is_new = caches.back().is_new();
      }
    }
    return caches;
  }

  Result<Record> keep(const RunOutcome& outcome, StepClock& clock) {
    const LayerPtr below = TRY(shop_.layers.tree(before_));
    const LayerView view(*below);
    bool changed = false;
    Bytecode bytecode;
    TRY_WITHIN(read_upper(TRY(sys::dup(outcome.upper.ref())), below.get(),
                          [&](const DeltaOp& written, const FileView*) -> Result<void> {
                            DeltaOp op = written;
                            const bool is_of_below = TRY(has_time_of_below(op, view, clock));
                            if (is_of_below) clock.learn_content(op.attr.mtime);
                            else clock.learn_output(op.attr.mtime);
                            const bool is_content = is_of_below || !clock.is_own(op.attr.mtime);
                            // A directory that only holds what was written has the time of one below, which may be the epoch's.
                            const bool may_be_epochs = op.kind == DeltaOp::Kind::implicit_dir && op.attr.mtime.tv_sec == clock.now();
                            if (is_content && !may_be_epochs) cut_ = cut_ || clock.is_cut(op.attr.mtime);
                            if (op.kind == DeltaOp::Kind::replace || op.kind == DeltaOp::Kind::hardlink) bytecode.learn(op.path, op.attr, is_content);
                            changed = changed || op.kind != DeltaOp::Kind::implicit_dir;
                            return {};
                          },
                          DeltaDepth::without_content, outcome.whiteout_files),
               "reading what the step wrote");
    if (!changed) return Record{.clock = before_.clock};

    const auto file = TRY(LayerFile::begin(shop_.cache));
    TRY_WITHIN(read_upper(TRY(sys::dup(outcome.upper.ref())), below.get(),
                          [&](const DeltaOp& op, const FileView* content) -> Result<void> {
                            DeltaOp stamped = op;
                            const auto written = [&](timespec time, bool is_content) { return is_content ? clock.of_content(time) : clock.of_output(time); };
                            stamped.attr.mtime = written(stamped.attr.mtime, TRY(has_time_of_below(stamped, view, clock)));
                            if (content == nullptr) return file->add(stamped, content);
                            const auto source = TRY(bytecode.source_of(op.path, *content));
                            if (!source) return file->add(stamped, content);
                            const auto retimed = with_source_time(*content, written(source->time, source->is_content));
                            return file->add(stamped, retimed.get());
                          },
                          DeltaDepth::whole, outcome.whiteout_files),
               "writing what the step wrote");
    return Record{.layer = TRY(file->commit()), .clock = clock.now()};
  }

  const RunStep& step_;
  FindMountSource find_;
  std::vector<ReadyMount> mounts_;
  std::vector<std::string> identities_;  // of what each shows
  const StageState& before_;
  Workshop& shop_;
  Digest command_;                         // everything but what is below
  std::optional<AccessedPaths> accessed_;  // by run()
  std::optional<AccessedPaths> would_do_;  // by find_otherwise(): what was looked at last time, and is the same
  std::string why_not_;
  KnownContents contents_;                 // of what is below
  bool anew_ = false;
  bool cut_ = false;  // by run(): of what it wrote a time was cut to the epoch
};

}  // namespace

std::unique_ptr<Job> make_run_job(const RunStep& step, FindMountSource find, const StageState& before, Workshop& shop) {
  return std::make_unique<RunJob>(step, std::move(find), before, shop);
}

}  // namespace acetate::build
