#include "builder/executor.h"

#include <ctime>

#include "layers/image/config.h"
#include "layers/stack.h"

namespace acetate::build {

namespace {

// What a step is called in the log: its first line, not too long.
std::string one_line(std::string_view title) {
  constexpr std::size_t kMost = 160;
  std::string line(title.substr(0, title.find('\n')));
  if (line.size() > kMost) line = line.substr(0, kMost) + "…";
  return line;
}

}  // namespace

Executor::Executor(const dockerfile::Dockerfile& file, const Graph& graph, const GlobalScope& scope, LayerPtr context,
                   BaseImages& bases, Workshop& shop, Progress& progress, const ExecutorOptions& options)
    : file_(file),
      graph_(graph),
      scope_(scope),
      context_(std::move(context)),
      bases_(bases),
      shop_(shop),
      progress_(progress),
      options_(options) {}

Result<const StageState*> Executor::run() {
  for (const std::size_t number : graph_.needed) TRY(stage(number));
  return &TRY(stage(graph_.target))->state;
}

Result<const Executor::Built*> Executor::stage(std::size_t number) {
  if (const auto known = built_.find(number); known != built_.end()) return &known->second;
  Built built = TRY(build_stage(number));
  return &built_.emplace(number, std::move(built)).first->second;
}

Result<Executor::Built> Executor::base_of(std::size_t number) {
  const Origin& base = graph_.bases[number];
  Built built{.state = {}, .args = StageArgs(scope_, options_.build_args)};
  switch (base.kind) {
    case Origin::Kind::scratch:
      built.state.config = image::empty_config(image::host_platform());
      built.state.config.working_dir = "/";
      break;
    case Origin::Kind::stage:
      built = *TRY(stage(base.stage));
      break;
    case Origin::Kind::image: {
      const auto image = bases_.open(base.image);
      if (!image) {
        const dockerfile::Stage& from = file_.stages[number];
        return fail(image.error().code(), "{}", file_.source.complain(from.place, from.base, image.error().message()).message());
      }
      built.state = **image;
      break;
    }
  }
  if (shop_.times.kind == TimeRule::Kind::epoch) built.state.clock = shop_.times.epoch;
  return built;
}

Result<Executor::Built> Executor::build_stage(std::size_t number) {
  Built built = TRY(base_of(number));
  PlannedStage planned = TRY(plan_stage(file_, number, built.state.config, built.args, options_.plan));
  const std::string name = stage_name(file_, number);
  const std::string from = file_.stages.size() == 1 && file_.stages[number].name.empty() ? "" : name + " ";
  const std::size_t total = planned.steps.size() + 1;
  progress_.done(progress_.begin(fmt::format("[{}1/{}] {}", from, total, one_line(file_.stages[number].original))));
  // FROM itself can change the configuration: a default PATH, triggers taken off.
  for (std::size_t n = 0; n < planned.steps.size(); ++n)
    TRY(do_step(built.state, planned.steps[n], number, n, fmt::format("[{}{}/{}] ", from, n + 2, total)));
  const auto diff_ids = built.state.config.diff_ids;
  const auto history = built.state.config.history;
  built.state.config = std::move(planned.config);
  built.state.config.diff_ids = diff_ids;
  built.state.config.history = history;
  built.args = std::move(planned.args);
  return built;
}

Result<CopyOrigin> Executor::origin_of(const CopyStep& step) {
  if (!step.from) return CopyOrigin{.tree = context_, .is_context = true, .context_dir = options_.context_dir};
  switch (step.from->kind) {
    case Origin::Kind::scratch:
      return CopyOrigin{.tree = TRY(make_stack({}))};
    case Origin::Kind::stage:
      return CopyOrigin{.tree = TRY(shop_.layers.tree(TRY(stage(step.from->stage))->state))};
    case Origin::Kind::image:
      return CopyOrigin{.tree = TRY(shop_.layers.tree(*TRY(bases_.open(step.from->image))))};
  }
  return Error(EINVAL);
}

Result<std::unique_ptr<Job>> Executor::job_for(const Step& step, const StageState& before) {
  if (const auto* run = std::get_if<RunStep>(&step.what)) return make_run_job(*run, before, shop_);
  if (const auto* workdir = std::get_if<WorkdirStep>(&step.what)) return make_workdir_job(*workdir, before, shop_);
  const auto& copy = std::get<CopyStep>(step.what);
  return make_copy_job(copy, TRY(origin_of(copy)), before, shop_);
}

Result<Record> Executor::result_of(Job& job, int shown, const std::string& place) {
  const KeyInputs inputs = TRY(job.inputs());
  if (!options_.no_cache) {
    if (const auto record = TRY(shop_.cache.find(inputs.digest()))) {
      TRY(shop_.cache.set_last_inputs(place, inputs));
      progress_.cached(shown);
      return *record;
    }
  }
  if (options_.explain) {
    const auto last = TRY(shop_.cache.last_inputs(place));
    std::string why = options_.no_cache ? "--no-cache was asked for" : "this step was never built here before";
    if (last && !options_.no_cache)
      why = first_difference(*last, inputs).value_or("what it had made is no longer in the cache");
    progress_.note(shown, "not cached: " + why);
  }
  const Record made = TRY(job.run([&](std::string_view bytes) { progress_.output(shown, bytes); }));
  const Record record = TRY(shop_.cache.put(inputs, made, options_.no_cache));
  TRY(shop_.cache.set_last_inputs(place, inputs));
  progress_.done(shown);
  return record;
}

Result<void> Executor::do_step(StageState& state, const Step& step, std::size_t stage, std::size_t index,
                               const std::string& label) {
  // Stages that a step copies from are built before it is announced.
  if (const auto* copy = std::get_if<CopyStep>(&step.what); copy != nullptr && copy->from && copy->from->kind == Origin::Kind::stage)
    TRY(this->stage(copy->from->stage));
  bool has_layer = false;
  if (!std::holds_alternative<ConfigStep>(step.what)) {
    const int shown = progress_.begin(label + one_line(step.title));
    auto job = job_for(step, state);
    auto record = job ? result_of(**job, shown, fmt::format("{}\n{}\n{}", options_.place_prefix, stage, index))
                      : Result<Record>(std::move(job).error());
    if (!record) return explain_failure(step, std::move(record).error(), shown);
    state.clock = record->clock;
    has_layer = record->layer.has_value();
    if (has_layer) {
      const CachedLayer& layer = *record->layer;
      state.push({.spec = {.path = shop_.cache.layer_path(layer.diff_id), .digest = layer.diff_id},
                  .blob = layer.diff_id,
                  .diff_id = layer.diff_id,
                  .size = layer.size,
                  .media_type = "application/vnd.oci.image.layer.v1.tar"});
    }
  }
  add_history(state, step, has_layer);
  return {};
}

void Executor::add_history(StageState& state, const Step& step, bool has_layer) const {
  const std::int64_t created = shop_.times.kind == TimeRule::Kind::keep ? std::int64_t{std::time(nullptr)} : state.clock;
  state.config.created = format_time(created);
  state.config.history.push_back({.created = state.config.created,
                                  .created_by = step.created_by,
                                  .comment = "acetate",
                                  .empty_layer = !has_layer});
}

Error Executor::explain_failure(const Step& step, Error error, int shown) const {
  progress_.failed(shown, error.message());
  const std::string tail = progress_.tail(shown);
  return fail(error.code(), "{}:{}: {}: {}\n{}{}", file_.source.name, step.place.first, one_line(step.title), error.message(),
              file_.source.excerpt(step.place), tail.empty() ? "" : "the last it wrote:\n" + tail);
}

}  // namespace acetate::build
