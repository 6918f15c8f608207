// COPY and ADD: sources are matched and hashed, the destination is resolved in the stacked layers, and the layer
// is written from that; nothing is mounted.

#include <sys/stat.h>

#include <map>
#include <utility>

#include "base/sys/file.h"
#include "builder/context_file.h"
#include "builder/copy_tree.h"
#include "builder/each_below.h"
#include "builder/job.h"
#include "builder/recording_view.h"
#include "builder/remote_source.h"
#include "builder/sandbox/scratch.h"
#include "builder/tarball.h"
#include "builder/users.h"
#include "layers/stack.h"

namespace acetate::build {

namespace {

constexpr std::size_t kMostPathsInKey = 5000;  // beyond it one digest stands for all of them

// What of an entry ends up in the image, or decides what does: times only where they are what the source holds. With an epoch all of them
// count, as far as they are not cut to it: what has the epoch's time is given that of another.
std::string describe(const SourceEntry& entry, const CopyRules& rules, const Source& source, const StepClock& clock) {
  const auto& owner = rules.owner;
  const mode_t mode = rules.mode && !entry.attr.is_symlink() && !source.unpacked ? rules.mode->apply(entry.attr.mode, entry.attr.is_dir())
                                                              : entry.attr.mode & 07777;
  std::string text = fmt::format("type {:o} mode {:o} owner {}:{}", entry.attr.mode & S_IFMT, mode,
                                 owner ? owner->uid : entry.attr.uid, owner ? owner->gid : entry.attr.gid);
  if (entry.content) text += fmt::format(" {} bytes {}", entry.attr.size, entry.content->str());
  if (entry.attr.is_symlink()) text += " -> " + entry.target;
  if (S_ISCHR(entry.attr.mode) || S_ISBLK(entry.attr.mode)) text += fmt::format(" device {}", entry.attr.rdev);
  if (entry.attr.is_implied) text += " implied";
  const bool is_content = source.dated || source.unpacked || clock.is_of_epoch();
  if (is_content) text += clock.is_cut(entry.attr.mtime) ? " of the epoch" : fmt::format(" of {}.{:09}", entry.attr.mtime.tv_sec, entry.attr.mtime.tv_nsec);
  for (const Xattr& xattr : entry.xattrs) text += fmt::format(" {}={}", xattr.name, Digest::of(xattr.value).hex());
  return text;
}

// Whether a file is in a directory, or, `deep`, anywhere below it.
Result<bool> has_file(const Layer& tree, Node dir, bool deep) {
  bool found = false;
  TRY(each_below(tree, dir, [&](const std::string&, const Entry& entry) -> Result<Descent> {
    found = entry.attr.is_regular();
    return found ? Descent::end : deep ? Descent::on : Descent::past;
  }));
  return found;
}

class PlannedCopy : public CopyJob {
 public:
  PlannedCopy(const CopyStep& step, CopyOrigin origin, const StageState& before, Workshop& shop)
      : step_(step), origin_(std::move(origin)), before_(before), shop_(shop) {}

  Result<KeyInputs> inputs() override {
    TRY(collect());
    KeyInputs inputs = own_inputs();
    add_common_inputs(inputs, before_, shop_);
    return inputs;
  }

  // Where the destination lies is known without copying anything: the copy is planned, and what the plan asked of the
  // layers below is noted.
  Result<std::optional<KeyInputs>> narrow_inputs() override {
    TRY(fetch_pinned());
    const LayerPtr tree = TRY(shop_.layers.tree(before_));
    const LayerView view(*tree);
    const RecordingView recording(view);
    const DirectoriesOnly merged(recording);
    StepClock clock(shop_.times, before_.clock);
    DeltaPlan plan(step_.link ? static_cast<const TreeView&>(merged) : recording);
    TRY(plan_copy(step_, sources_, rules_, clock, plan));
    KeyInputs inputs = own_inputs();
    if (rules_.owner) inputs.add("the owner", fmt::format("{}:{}", rules_.owner->uid, rules_.owner->gid));
    add_narrow_inputs(inputs, before_, shop_, recording);
    return std::optional<KeyInputs>(std::move(inputs));
  }

  Result<Record> run(const OutputSink&, bool) override {
    TRY(fetch_pinned());
    const LayerPtr tree = TRY(shop_.layers.tree(before_));
    const LayerView view(*tree);
    const DirectoriesOnly merged(view);
    StepClock clock(shop_.times, before_.clock);
    DeltaPlan plan(step_.link ? static_cast<const TreeView&>(merged) : view);
    TRY(plan_copy(step_, sources_, rules_, clock, plan));
    return write_plan(plan, clock, before_.clock, shop_);
  }

  Result<bool> lands_on_base() override {
    StageState base = before_;
    base.layers.resize(before_.base_layers);
    const LayerPtr tree = TRY(shop_.layers.tree(base));
    const Resolved dest = TRY(resolve(LayerView(*tree), step_.dest, LastLink::follow));
    const bool is_dir = (dest.seen && dest.seen->attr.is_dir()) || step_.dest.ends_with('/') || step_.parents || (sources_.size() == 1 && sources_.front().is_dir());
    const RelPath dir = is_dir ? dest.path : dest.path.parent();
    const auto found = walk(*tree, dir);
    if (!found && (found.error().is(ENOENT) || found.error().is(ENOTDIR))) return false;
    if (!found) return found.error().clone();
    const HeldNode held(*tree, found->node);
    return has_file(*tree, found->node, !dir.is_root());
  }

  Digest times() const override {
    KeyInputs times;
    const auto add = [&](std::size_t n, const SourceEntry& entry) {
      times.add(fmt::format("{}: {}", n, entry.real.str()), fmt::format("{}.{:09}", entry.attr.mtime.tv_sec, entry.attr.mtime.tv_nsec));
    };
    for (std::size_t n = 0; n < sources_.size(); ++n) {
      for (const SourceEntry& entry : sources_[n].parents) add(n, entry);
      for (const SourceEntry& entry : sources_[n].entries) add(n, entry);
    }
    return times.digest();
  }

 private:
  // What is copied, and how.
  KeyInputs own_inputs() const {
    KeyInputs inputs;
    inputs.add("step", step_.add ? "ADD" : "COPY");
    inputs.add("the destination", step_.dest);
    inputs.add("--chown", step_.chown);
    inputs.add("--chmod", step_.chmod);
    inputs.add("--parents", step_.parents ? "yes" : "no");
    if (step_.link) inputs.add("--link", "yes");
    KeyInputs paths;
    const StepClock clock(shop_.times, before_.clock);
    for (std::size_t n = 0; n < sources_.size(); ++n) {
      const Source& source = sources_[n];
      std::map<std::uint64_t, RelPath> links;
      // The name counts where it ends up in the image; which directory was copied does not.
      paths.add(fmt::format("source {}", n), step_.parents ? source.relative.str()
                                             : source.entries.empty() ? source.written
                                             : source.is_dir() ? "a directory"
                                                               : source.written.substr(source.written.rfind('/') + 1));
      if (!source.identity.empty()) {
        paths.add(fmt::format("what {} is", n), source.identity);
        for (const std::string& pattern : step_.excludes) paths.add(fmt::format("--exclude {}", n), pattern);
        continue;
      }
      for (const SourceEntry& entry : source.parents) paths.add(fmt::format("parent {} {}", n, entry.real.str()), describe(entry, rules_, source, clock));
      for (const SourceEntry& entry : source.entries) {
        if (entry.inside.is_root() && entry.attr.is_dir() && !step_.parents) continue;  // its own attributes are not copied
        const std::string path = entry.inside.is_root() ? source.written : source.written + "/" + entry.inside.str();
        std::string text = describe(entry, rules_, source, clock);
        // Two names of one file are not two files with the same bytes.
        if (entry.attr.is_regular() && entry.attr.nlink > 1)
          if (const auto [first, is_new] = links.emplace(entry.attr.ino, entry.inside); !is_new)
            text += " linked to " + first->second.str();
        paths.add(fmt::format("{}: {}", n, path), std::move(text));
      }
    }
    if (paths.items().size() > kMostPathsInKey) {
      inputs.add(fmt::format("the content of {} paths", paths.items().size()), paths.digest().str());
    } else {
      for (const auto& [name, value] : paths.items()) inputs.add(name, value);
    }
    return inputs;
  }

  // What ADD fetches lies in a directory of its own for as long as the job lives.
  Result<std::vector<Source>> fetch(const CopyStep::Remote& remote) {
    if (!fetched_) fetched_ = TRY(sandbox::Scratch::make(shop_.build_dir + "/fetched"));
    const std::string dir = fmt::format("{}/{}", fetched_->path(), next_fetched_++);
    TRY(sys::make_dirs(dir, 0755));
    std::vector<Source> sources = TRY(remote_sources(step_, remote, dir));
    for (Source& source : sources)
      if (remote.unpack && !source.is_dir())
        if (const auto tar = TRY(open_tarball(TRY(open_context_file(dir, source.entries.front().real)), shop_.layers))) {
          Source unpacked = TRY(tarball_source(source, *tar));
          unpacked.identity = source.identity;
          source = std::move(unpacked);
        }
    return sources;
  }

  // What is known without asking for it is fetched when the cache does not have what is made of it, and stands where it stood in the key.
  Result<void> fetch_pinned() {
    for (const auto& [at, remote] : std::exchange(pinned_, {})) sources_[at] = std::move(TRY(fetch(*remote)).front());
    return {};
  }

  Result<void> collect() {
    if (!step_.chown.empty()) {
      const LayerPtr tree = TRY(shop_.layers.tree(before_));
      const Ids ids = TRY_WITHIN(resolve_owner(*tree, step_.chown, UnknownNames::refused), "--chown={}", step_.chown);
      rules_.owner = CopyRules::Owner{ids.uid, ids.gid};
    }
    if (!step_.chmod.empty()) rules_.mode = TRY(ModeChange::parse(step_.chmod));
    rules_.fresh_times = origin_.is_context;
    const TarOpener open_tar = [this](const RelPath& path) -> Result<std::optional<LayerPtr>> {
      return open_tarball(TRY_WITHIN(open_context_file(origin_.context_dir, path), "reading /{}", path.str()), shop_.layers);
    };
    sources_ = TRY(collect_sources(step_, origin_.tree, open_tar));
    for (const CopyStep::Remote& remote : step_.remotes) {
      if (auto pinned = pinned_source(remote)) {
        pinned_.emplace_back(sources_.size(), &remote);
        sources_.push_back(*std::move(pinned));
      } else {
        for (Source& source : TRY(fetch(remote))) sources_.push_back(std::move(source));
      }
    }
    for (const auto& file : step_.inline_files) sources_.push_back(TRY(inline_source(file)));
    return {};
  }

  const CopyStep& step_;
  CopyOrigin origin_;
  const StageState& before_;
  Workshop& shop_;
  CopyRules rules_;
  std::vector<Source> sources_;
  std::vector<std::pair<std::size_t, const CopyStep::Remote*>> pinned_;  // of sources_: those that are still to be fetched
  std::optional<sandbox::Scratch> fetched_;
  std::size_t next_fetched_ = 0;
};

}  // namespace

std::unique_ptr<CopyJob> make_copy_job(const CopyStep& step, CopyOrigin origin, const StageState& before, Workshop& shop) {
  return std::make_unique<PlannedCopy>(step, std::move(origin), before, shop);
}

}  // namespace acetate::build
