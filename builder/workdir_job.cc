// WORKDIR: the directory is made, with its parents, for whoever USER is; where it is there already nothing is.

#include <sys/stat.h>

#include "builder/delta_plan.h"
#include "builder/job.h"
#include "builder/recording_view.h"
#include "builder/users.h"

namespace acetate::build {

namespace {

class WorkdirJob : public Job {
 public:
  WorkdirJob(const WorkdirStep& step, const StageState& before, Workshop& shop)
      : step_(step), before_(before), shop_(shop) {}

  Result<KeyInputs> inputs() override {
    KeyInputs inputs;
    inputs.add("step", "WORKDIR");
    inputs.add("the path", step_.path);
    inputs.add("the user", step_.user);
    add_common_inputs(inputs, before_, shop_);
    return inputs;
  }

  Result<std::optional<KeyInputs>> narrow_inputs() override {
    const LayerPtr tree = TRY(shop_.layers.tree(before_));
    const LayerView view(*tree);
    const RecordingView recording(view);
    DeltaPlan plan(recording);
    const StepClock clock(shop_.times, before_.clock);
    TRY(make_plan(*tree, recording, clock, plan));
    KeyInputs inputs;
    inputs.add("step", "WORKDIR");
    inputs.add("the path", step_.path);
    if (owner_) inputs.add("the owner", fmt::format("{}:{}", owner_->uid, owner_->gid));
    add_narrow_inputs(inputs, before_, shop_, recording);
    return std::optional<KeyInputs>(std::move(inputs));
  }

  Result<Record> run(const OutputSink&, bool) override {
    const LayerPtr tree = TRY(shop_.layers.tree(before_));
    const LayerView view(*tree);
    DeltaPlan plan(view);
    const StepClock clock(shop_.times, before_.clock);
    TRY(make_plan(*tree, view, clock, plan));
    return write_plan(plan, clock, before_.clock, shop_);
  }

 private:
  Result<void> make_plan(const Layer& tree, const TreeView& view, const StepClock& clock, DeltaPlan& plan) {
    const Resolved found = TRY(resolve(view, step_.path, LastLink::follow));
    if (found.seen && !found.seen->attr.is_dir())
      return fail(ENOTDIR, "{} is there already and is no directory", step_.path);
    if (!found.seen) {
      Attr made{.mode = S_IFDIR | 0755, .mtime = clock.of_copy(timespec{.tv_sec = clock.now()})};
      if (!step_.user.empty()) {
        const Ids ids = TRY_WITHIN(resolve_owner(tree, step_.user, UnknownNames::are_root), "USER {}", step_.user);
        made.uid = ids.uid;
        made.gid = ids.gid;
        owner_ = ids;
      }
      TRY(plan.make_dirs(found.path, made));
    }
    return {};
  }

  const WorkdirStep& step_;
  const StageState& before_;
  Workshop& shop_;
  std::optional<Ids> owner_;
};

}  // namespace

std::unique_ptr<Job> make_workdir_job(const WorkdirStep& step, const StageState& before, Workshop& shop) {
  return std::make_unique<WorkdirJob>(step, before, shop);
}

}  // namespace acetate::build
