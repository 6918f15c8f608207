// RUN: the process runs over the layers below, and what it wrote becomes a layer. No tree is walked to find a
// difference: the upper directory is the difference.

#include "base/sys/file.h"
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
  RunJob(const RunStep& step, const StageState& before, Workshop& shop) : step_(step), before_(before), shop_(shop) {}

  Result<KeyInputs> inputs() override {
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
    inputs.add("the runner", shop_.runner.kind());
    add_common_inputs(inputs, before_, shop_);
    return inputs;
  }

  Result<Record> run(const OutputSink& output) override {
    StepClock clock(shop_.times, before_.clock);
    const RunOutcome outcome = TRY(shop_.runner.run(step_, before_.lowers(), output));
    if (!outcome.exit.ok()) return fail(ECANCELED, "{}", explain_exit(outcome.exit));
    return keep(outcome, clock);
  }

 private:
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
  const StageState& before_;
  Workshop& shop_;
};

}  // namespace

std::unique_ptr<Job> make_run_job(const RunStep& step, const StageState& before, Workshop& shop) {
  return std::make_unique<RunJob>(step, before, shop);
}

}  // namespace acetate::build
