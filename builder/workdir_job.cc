// WORKDIR: the directory is made, with its parents, for whoever USER is; where it is there already nothing is.

#include <sys/stat.h>

#include "builder/delta_plan.h"
#include "builder/job.h"
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

  Result<Record> run(const OutputSink&) override {
    const LayerPtr tree = TRY(shop_.layers.tree(before_));
    const LayerView view(*tree);
    const Resolved found = TRY(resolve(view, step_.path, LastLink::follow));
    if (found.seen && !found.seen->attr.is_dir())
      return fail(ENOTDIR, "{} is there already and is no directory", step_.path);
    DeltaPlan plan(view);
    const StepClock clock(shop_.times, before_.clock);
    if (!found.seen) {
      Attr made{.mode = S_IFDIR | 0755, .mtime = clock.of_copy(timespec{.tv_sec = clock.now()})};
      if (!step_.user.empty()) {
        const Ids ids = TRY_WITHIN(resolve_owner(*tree, step_.user), "USER {}", step_.user);
        made.uid = ids.uid;
        made.gid = ids.gid;
      }
      TRY(plan.make_dirs(found.path, made));
    }
    return write_plan(plan, clock, before_.clock, shop_);
  }

 private:
  const WorkdirStep& step_;
  const StageState& before_;
  Workshop& shop_;
};

}  // namespace

std::unique_ptr<Job> make_workdir_job(const WorkdirStep& step, const StageState& before, Workshop& shop) {
  return std::make_unique<WorkdirJob>(step, before, shop);
}

}  // namespace acetate::build
