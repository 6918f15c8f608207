#include "builder/job.h"

#include "builder/delta_plan.h"
#include "builder/layer_file.h"
#include "builder/recording_view.h"

namespace acetate::build {

void add_platform_inputs(KeyInputs& inputs, const StageState& before, const Workshop& shop) {
  inputs.add("platform", before.config.platform.os + "/" + before.config.platform.architecture);
  inputs.add("times", shop.times.str());
}

void add_common_inputs(KeyInputs& inputs, const StageState& before, const Workshop& shop) {
  add_platform_inputs(inputs, before, shop);
  inputs.add(std::string(kLayersBelow), before.chain().str());
  // With an epoch its own is every step's.
  if (shop.times.kind == TimeRule::Kind::logical) inputs.add("clock", std::to_string(before.clock));
  if (shop.times.kind == TimeRule::Kind::epoch) inputs.add("SOURCE_DATE_EPOCH", std::to_string(shop.times.epoch));
}

void add_narrow_inputs(KeyInputs& inputs, const StageState& before, const Workshop& shop, const RecordingView& below) {
  add_platform_inputs(inputs, before, shop);
  below.add_to(inputs);
}

Result<Record> write_plan(const DeltaPlan& plan, const StepClock& clock, std::int64_t clock_before, Workshop& shop) {
  if (plan.empty()) return Record{.clock = clock_before};
  const auto file = TRY(LayerFile::begin(shop.cache));
  const auto add = [&](const PlannedOp& planned) -> Result<void> {
    if (!planned.content) return file->add(planned.op, nullptr);
    const auto content = TRY_WITHIN(open_entry(*planned.content), "reading /{}", planned.content->real.str());
    return file->add(planned.op, content.get());
  };
  // A link's target may come after it by name.
  for (const auto& [path, planned] : plan.ops())
    if (planned.op.kind != DeltaOp::Kind::hardlink) TRY_WITHIN(add(planned), "writing /{}", path.str());
  for (const auto& [path, planned] : plan.ops())
    if (planned.op.kind == DeltaOp::Kind::hardlink) TRY_WITHIN(add(planned), "writing /{}", path.str());
  return Record{.layer = TRY(file->commit()), .clock = clock.now()};
}

}  // namespace acetate::build
