#include "builder/executor.h"

#include <algorithm>
#include <ctime>
#include <system_error>
#include <thread>
#include <utility>

#include "builder/base_state.h"
#include "builder/placed_record.h"
#include "builder/same_layer.h"
#include "layers/image/config.h"

namespace acetate::build {

namespace {

constexpr std::size_t kMostThreads = 64;
constexpr const char* kNothingItLooksAt = "the layers below have changed, and nothing of them that this step looks at";

// One of the jobs, taken for as long as it lives.
class JobTaken {
 public:
  explicit JobTaken(std::counting_semaphore<>& free) : free_(free) { free_.acquire(); }
  JobTaken(const JobTaken&) = delete;
  JobTaken& operator=(const JobTaken&) = delete;
  ~JobTaken() { free_.release(); }

 private:
  std::counting_semaphore<>& free_;
};

// What a step is called in the log: its first line, not too long.
std::string one_line(std::string_view title) {
  constexpr std::size_t kMost = 160;
  std::string line(title.substr(0, title.find('\n')));
  if (line.size() > kMost) line = line.substr(0, kMost) + "…";
  return line;
}

std::vector<std::size_t> stages_of(const Step& step) {
  std::vector<std::size_t> stages;
  const auto take = [&](const std::optional<Origin>& from) {
    if (from && from->kind == Origin::Kind::stage) stages.push_back(from->stage);
  };
  if (const auto* copy = std::get_if<CopyStep>(&step.what)) take(copy->from);
  if (const auto* run = std::get_if<RunStep>(&step.what))
    for (const RunStep::Mount& mount : run->mounts) take(mount.from);
  return stages;
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
  // The first is this thread: with one job everything happens in order and in one place. Else most of them wait, for a stage or for a
  // job that is free.
  const std::size_t threads = options_.jobs <= 1 ? 1 : std::min(kMostThreads, graph_.needed.size());
  std::vector<std::thread> others;
  try {
    for (std::size_t n = 1; n < threads; ++n)
      others.emplace_back([this] { static_cast<void>(build_needed().has_value()); });  // told by stage(target)
  } catch (const std::system_error&) {
    // As many processes as there may be: fewer steps at a time.
  }
  auto done = build_needed();
  for (std::thread& other : others) other.join();
  TRY(std::move(done));
  return &TRY(stage(graph_.target))->state;
}

Result<void> Executor::build_needed() {
  for (;;) {
    std::size_t number = 0;
    {
      const std::lock_guard lock(mutex_);
      if (next_ == graph_.needed.size()) return {};
      number = graph_.needed[next_++];
    }
    TRY(stage(number));
  }
}

Result<const Executor::Built*> Executor::stage(std::size_t number) {
  std::unique_lock lock(mutex_);
  const auto [at, is_new] = stages_.try_emplace(number);
  Stage& stage = at->second;
  if (!is_new) {
    changed_.wait(lock, [&] { return stage.built || stage.failed; });
    if (stage.failed) return first_failure_->clone();
    return &*stage.built;
  }
  lock.unlock();
  auto built = build_stage(number);
  lock.lock();
  if (built) {
    stage.built = *std::move(built);
  } else {
    // What the others stop for is not what the person is told.
    stop_ = true;
    shop_.runner.end_all();
    stage.failed = std::move(built).error();
  }
  changed_.notify_all();
  if (stage.failed) {
    if (!first_failure_) first_failure_ = stage.failed->clone();
    return first_failure_->clone();
  }
  return &*stage.built;
}

Result<Executor::Built> Executor::base_of(std::size_t number) {
  const Origin& base = graph_.bases[number];
  Built built{.state = {}, .args = StageArgs(scope_, options_.build_args)};
  switch (base.kind) {
    case Origin::Kind::scratch:
      built.state.config = image::empty_config(graph_.platforms[number]);
      built.state.config.working_dir = "/";
      break;
    case Origin::Kind::stage:
      built = *TRY(stage(base.stage));
      break;
    case Origin::Kind::image: {
      const auto complain = [&](const Error& error) {
        const dockerfile::Stage& from = file_.stages[number];
        return fail(error.code(), "{}", file_.source.complain(from.place, from.base, error.message()).message());
      };
      const auto dir = bases_.directory(base.image);
      if (!dir) return complain(dir.error());
      if (*dir) return directory_base(**dir, graph_.platforms[number]);
      const auto image = bases_.open(base.image, graph_.platforms[number]);
      if (!image) return complain(image.error());
      built.state = **image;
      break;
    }
  }
  if (shop_.times.kind == TimeRule::Kind::epoch) built.state.clock = shop_.times.epoch;
  return built;
}

void Executor::add_layer(StageState& state, const Record& record) const {
  // Steps after it are not older than those before it, though it may have been made on an older image.
  state.clock = std::max(state.clock, record.clock);
  if (!record.layer) return;
  state.newest_layer = std::max(state.newest_layer.value_or(record.clock), record.clock);
  state.push(cached_stage_layer(*record.layer, shop_.cache));
}

Result<Executor::Built> Executor::build_stage(std::size_t number) {
  Built built = TRY(base_of(number));
  adapt_base(built.state.config, options_.bases, graph_.bases[number].kind == Origin::Kind::stage);
  PlannedStage planned = TRY(plan_stage(file_, number, built.state.config, built.args, options_.plan));
  const std::string name = stage_name(file_, number);
  const std::string from = options_.label + (file_.stages.size() == 1 && file_.stages[number].name.empty() ? "" : name + " ");
  // Numbered as BuildKit does it: what makes a layer, and the image that it begins with.
  const bool has_image = graph_.bases[number].kind == Origin::Kind::image;
  const auto makes_layer = [](const Step& step) { return !std::holds_alternative<ConfigStep>(step.what); };
  const auto total = static_cast<std::size_t>(std::ranges::count_if(planned.steps, makes_layer)) + (has_image ? 1 : 0);
  std::size_t shown = 0;
  const auto next_label = [&] { return fmt::format("[{}{:>{}}/{}] ", from, ++shown, std::to_string(total).size(), total); };
  if (has_image) progress_.done(progress_.begin(next_label() + one_line(file_.stages[number].original)));
  {
    const std::lock_guard lock(mutex_);
    StageReport& report = reports_[number];
    report = {.number = number, .name = name, .base = file_.stages[number].base, .base_layers = built.state.layers};
    if (graph_.bases[number].kind == Origin::Kind::stage) report.base_stage = graph_.bases[number].stage;
  }
  // FROM itself can change the configuration: a default PATH, triggers taken off.
  for (std::size_t n = 0; n < planned.steps.size(); ++n)
    TRY(do_step(built.state, planned.steps[n], number, n, makes_layer(planned.steps[n]) ? next_label() : ""));
  // What the steps have made of it; all else was planned.
  const image::Config made = std::exchange(built.state.config, std::move(planned.config));
  built.state.config.diff_ids = made.diff_ids;
  built.state.config.history = made.history;
  built.state.config.created = made.created;
  built.args = std::move(planned.args);
  return built;
}

Result<std::unique_ptr<Job>> Executor::job_for(const Step& step, const StageState& before) {
  if (const auto* run = std::get_if<RunStep>(&step.what))
    return make_run_job(*run, [this](const RunStep::Mount& mount) { return mount_source(mount); }, before, shop_);
  if (const auto* workdir = std::get_if<WorkdirStep>(&step.what)) return make_workdir_job(*workdir, before, shop_);
  const auto& copy = std::get<CopyStep>(step.what);
  return make_copy_job(copy, TRY(origin_of(copy)), before, shop_);
}

Result<Record> Executor::result_of(Job& job, const StageState& before, int shown, const std::string& place, bool no_cache, StepReport& report) {
  report.how = StepReport::How::cached;
  const KeyInputs inputs = TRY(job.inputs());
  const Digest first = inputs.digest();
  std::optional<Record> record;
  if (!no_cache) record = TRY(shop_.cache.find(first));
  std::optional<KeyInputs> narrow, dated;
  bool outdated = false;  // see Job::Answer
  if (!record) {
    narrow = TRY(job.narrow_inputs());
    if (narrow) {
      dated = narrow;
      dated->add("clock", std::to_string(before.clock));
    }
    // Layers below have changed, but nothing that this step looks at.
    if (narrow && !no_cache) record = TRY(shop_.cache.find(dated->digest()));
    if (narrow && !no_cache && !record) {
      const Job::Answer answer = TRY(find_of_other_base(job, before, narrow->digest(), shown));
      outdated = answer.outdated;
      if (answer.hit) record = TRY(shop_.cache.put(dated->digest(), answer.hit->record));
    }
    if (record) {
      report.why = kNothingItLooksAt;
      TRY(shop_.cache.put(first, *record));
      TRY(shop_.cache.add_other(first, dated->digest()));
      TRY(shop_.cache.add_other(first, narrow->digest()));
    }
  }
  std::optional<Job::Hit> otherwise;
  if (!record && !no_cache) {
    auto found = job.find_otherwise();
    if (found) {
      otherwise = std::move(found->hit);
      outdated = outdated || found->outdated;
    } else progress_.note(shown, "the build cache was not asked any further: " + found.error().message());
  }
  if (otherwise && !(otherwise->by_reads && shop_.trace == TraceRule::verify)) {
    progress_.note(shown, otherwise->why);
    report.why = otherwise->why;
    record = otherwise->record;
    TRY(shop_.cache.put(first, *record));
    TRY(shop_.cache.add_other(first, otherwise->key));
  }
  if (record) {
    remember_inputs(place, inputs, shown);
    note_use(first);
    if (options_.explain) tell(shown, job.what_it_reads());
    progress_.cached(shown);
    return *record;
  }
  report.how = StepReport::How::ran;
  if (!otherwise && (options_.explain || options_.reported)) report.why = why_missed(job, inputs, place, no_cache, before.changed_by);
  if (options_.explain && !otherwise) {
    progress_.note(shown, "not cached: " + report.why);
    if (!no_cache) tell(shown, job.way_out());
  }
  const Record made = TRY(job.run([&](std::string_view bytes) { progress_.output(shown, bytes); }, no_cache));
  if (otherwise) {
    // With the time that it was made with.
    const auto known = TRY(shop_.cache.find(otherwise->key));
    progress_.note(shown, TRY(same_but_for_step_times(known.value_or(otherwise->record), made, shop_.cache))
                              ? "verified: the cache has the same"
                              : "the cache has something else for this step: it is not a function of what it looks at");
  }
  const bool replace = no_cache || otherwise || outdated;
  record = TRY(shop_.cache.put(first, made, replace));
  const auto keep = [&](const Digest& other) -> Result<void> {
    TRY(shop_.cache.put(other, *record, replace));
    return shop_.cache.add_other(first, other);
  };
  if (narrow) TRY(keep(dated->digest()));
  if (narrow && !job.is_of_its_epoch()) {
    shop_.made.add(narrow->digest().hex());
    TRY(keep(narrow->digest()));
  }
  const auto keep_further = [&]() -> Result<void> {
    if (job.is_of_its_epoch()) return {};
    for (const KeyInputs& further : TRY(job.further_keys())) TRY(keep(further.digest()));
    return {};
  };
  // The step is done and on record: what fails here costs a later build time, and nothing else.
  if (const auto kept = keep_further(); !kept)
    progress_.note(shown, "not all that was learned of this step is kept: " + kept.error().message());
  if (options_.explain) tell(shown, job.what_it_reads());
  remember_inputs(place, inputs, shown);
  note_use(first);
  progress_.done(shown);
  return *record;
}

// By the key that has no clock. What this very build made by it, in a stage that may have come first by chance, is left out: the same build must
// come to the same.
Result<Job::Answer> Executor::find_of_other_base(Job& job, const StageState& before, const Digest& narrow, int shown) {
  const auto record = TRY(shop_.cache.find(narrow));
  // Asked last: it is noted before it is put.
  if (!record || shop_.made.contains(narrow.hex())) return Job::Answer();
  const bool logical = shop_.times.kind == TimeRule::Kind::logical && record->layer;
  if (logical && (record->clock > before.base_clock || TRY(job.lands_on_base()))) return Job::Answer{.outdated = true};
  const auto placed = place_record(*record, before, shop_.times, MayBe::younger, shop_.cache);
  if (!placed) progress_.note(shown, "what the build cache has is not taken: " + placed.error().message());
  if (!placed || !*placed) return Job::Answer{.outdated = true};
  return Job::Answer{.hit = Job::Hit{.record = **placed, .why = kNothingItLooksAt, .key = narrow}};
}

void Executor::tell(int shown, const Result<std::string>& words) {
  if (!words) progress_.note(shown, "what this step reads cannot be told: " + words.error().message());
  else if (!words->empty()) progress_.note(shown, *words);
}

// Only an explanation hangs on it.
void Executor::remember_inputs(const std::string& place, const KeyInputs& inputs, int shown) {
  if (const auto kept = shop_.cache.set_last_inputs(place, inputs); !kept)
    progress_.note(shown, "why this step is not cached next time cannot be told: " + kept.error().message());
}

void Executor::note_step(std::size_t stage, StepReport report) {
  const std::lock_guard lock(mutex_);
  reports_[stage].steps.push_back(std::move(report));
}

BuildReport Executor::report() const {
  const std::lock_guard lock(mutex_);
  BuildReport report{.stages = {}, .seconds = seconds()};
  for (const auto& [number, stage] : reports_) report.stages.push_back(stage);
  return report;
}

void Executor::note_use(const Digest& key) {
  const std::lock_guard lock(mutex_);
  used_keys_.insert(key);
}

std::string Executor::why_missed(const Job& job, const KeyInputs& inputs, const std::string& place, bool no_cache, const std::string& changed) {
  if (no_cache) return "it was asked for to be done anew";
  const auto last = shop_.cache.last_inputs(place);
  if (!last) return last.error().message();
  if (!*last) return "this step was never built here before";
  std::string difference = first_difference(**last, inputs).value_or("what it had made is no longer in the cache");
  // A digest tells nobody anything.
  if (difference.starts_with(kLayersBelow)) difference = fmt::format("{} have changed{}", kLayersBelow, changed.empty() ? "" : ", since " + changed);
  const std::string further = job.why_not();
  return further.empty() ? difference : difference + "; " + further;
}

Result<void> Executor::do_step(StageState& state, const Step& step, std::size_t stage, std::size_t index,
                               const std::string& label) {
  if (stop_) return fail(ECANCELED, "stopped, because another stage failed");
  // Stages that a step takes from are built before it is announced.
  for (const std::size_t used : stages_of(step)) TRY(this->stage(used));
  bool has_layer = false;
  StepReport report{.title = step.title, .began = seconds(), .uses = stages_of(step)};
  if (!std::holds_alternative<ConfigStep>(step.what)) {
    const JobTaken job_taken(free_jobs_);
    if (stop_) return fail(ECANCELED, "stopped, because another stage failed");
    const int shown = progress_.begin(label + one_line(step.title));
    auto job = job_for(step, state);
    auto record = job ? result_of(**job, state, shown, fmt::format("{}\n{}\n{}", options_.place_prefix, stage, index),
                                  options_.no_cache || options_.no_cache_stages.contains(stage), report)
                      : Result<Record>(std::move(job).error());
    report.seconds = seconds() - report.began;
    if (!record && stop_) record = fail(ECANCELED, "ended, because another stage failed");
    if (!record) {
      report.how = StepReport::How::failed;
      report.why = record.error().message();
      note_step(stage, std::move(report));
      return explain_failure(step, std::move(record).error(), shown);
    }
    has_layer = record->layer.has_value();
    add_layer(state, *record);
    if (report.how == StepReport::How::ran && state.changed_by.empty()) state.changed_by = one_line(step.title);
    if (has_layer) report.layer = state.layers.back();
  }
  note_step(stage, std::move(report));
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
  return fail(error.code(), "{}\n{}:{}\n{}{}", error.message(), file_.source.name, step.place.first, file_.source.excerpt(step.place),
              tail.empty() ? "" : "the last it wrote:\n" + tail);
}

}  // namespace acetate::build
