#include "builder/build.h"

#include <unistd.h>

#include <algorithm>
#include <ctime>
#include <nlohmann/json.hpp>

#include "base/sys/file.h"
#include "builder/build_files.h"
#include "builder/cache_mount.h"
#include "builder/cache_registry.h"
#include "builder/context_layer.h"
#include "builder/context_source.h"
#include "builder/dockerfile/parse.h"
#include "builder/epoch.h"
#include "builder/executor.h"
#include "builder/file_hashes.h"
#include "builder/frontend.h"
#include "builder/mount_share.h"
#include "builder/public_url.h"
#include "builder/sandbox/scratch.h"
#include "builder/squash.h"
#include "layers/image/config.h"
#include "layers/image/new_name.h"
#include "layers/image/platform.h"

namespace acetate::build {

namespace {

// What buildx writes into --metadata-file, by the same names; of a build that made no image nothing is told.
Result<void> write_metadata(const std::string& path, const std::optional<ExportedImage>& image, const std::vector<std::string>& tags) {
  nlohmann::json metadata = nlohmann::json::object();
  if (image) {
    metadata = {{"containerimage.config.digest", image->config.str()},
                {"containerimage.digest", image->manifest.digest.str()},
                {"containerimage.descriptor",
                 {{"mediaType", image->manifest.media_type}, {"digest", image->manifest.digest.str()}, {"size", image->manifest.size}}}};
    std::string names;
    for (const std::string& tag : tags) names += (names.empty() ? "" : ",") + with_tag(tag);
    if (!names.empty()) metadata["image.name"] = names;
  }
  TRY_WITHIN(sys::write_file_atomically({kWorkingDir, path.c_str()}, metadata.dump(2) + "\n", 0644), "writing {}", path);
  return {};
}

// What all platforms have in common.
struct Ground {
  const BuildOptions& options;
  const std::string& place;  // the context as it was named
  const DockerfileText& text;
  const dockerfile::Dockerfile& file;
  const dockerfile::IgnoreRules& ignore;
  BaseImages& bases;
  Workshop& shop;
  Progress& progress;
  std::shared_ptr<FileHashes> hashes = {};  // of the context; none of one that is gone after the build
  const std::int64_t began = std::time(nullptr);
  std::set<Digest> used_keys = {};
  BuildReport report = {};
};

// Into our own store, uncompressed: a mount reads such layers straight from their files.
Result<ExportedImage> put_in_store(const BuildOptions& options, const ExportRequest& plain, const Output& output) {
  ExportRequest request = plain;
  request.tags.insert(request.tags.end(), output.names.begin(), output.names.end());
  const auto images = TRY(image::ImageStore::open(options.images));
  auto exported = TRY(export_images(request, *images, {.compression = Compression::none, .tells_epoch = output.packing.tells_epoch}));
  if (request.tags.empty()) TRY(images->keep_unnamed(exported.manifest));
  return exported;
}

Result<std::optional<ExportedImage>> put_out(const Ground& on, const std::vector<BuiltImage>& built) {
  const BuildOptions& options = on.options;
  Progress& progress = on.progress;
  ExportRequest request{.images = built,
                        .cache = on.shop.cache,
                        .layers = on.shop.layers,
                        .times = options.times,
                        .annotations = options.annotations,
                        .scratch_base = options.scratch_base,
                        .owners = options.owners};
  if (std::ranges::any_of(options.cache_to, &CachePlace::in_image)) request.inline_cache = &on.used_keys;
  request.tags = options.tags;
  if (options.provenance) {
    request.provenance = Provenance{.dockerfile = on.text.name, .target = options.target, .began = on.began, .builder_id = options.builder_id};
    request.provenance->source = public_source(on.place);
  }
  const int shown = progress.begin("exporting");
  std::optional<ExportedImage> exported;
  if (options.outputs.empty()) exported = TRY(put_in_store(options, request, {}));
  for (const Output& output : options.outputs) {
    if (output.type == Output::Type::image) exported = TRY(put_in_store(options, request, output));
    else if (auto image = TRY(export_to(request, output))) exported = image;
  }
  if (exported) {
    for (const std::string& tag : request.tags) progress.note(shown, "naming it " + with_tag(tag));
    progress.note(shown, "image " + exported->config.str());
  }
  if (!options.metadata_file.empty()) TRY(write_metadata(options.metadata_file, exported, request.tags));
  progress.done(shown);
  return exported;
}

// A layer that cannot be had costs a step, and not the build.
WatchFetch shown_layers(Progress& progress) {
  return [&progress](const std::string& what, const std::function<Result<void>()>& work) {
    const int shown = progress.begin("fetching " + what);
    auto fetched = work();
    if (!fetched) progress.warn(fmt::format("--cache-from: {} is not taken: {}", what, fetched.error().message()));
    progress.done(shown);
    return fetched;
  };
}

Result<Imported> import_place(const CachePlace& place, const BuildOptions& options, Cache& cache, LayerOpener& layers, Progress& progress) {
  if (!place.in_registry) {
    Imported imported = TRY(import_cache(cache, place.where));
    if (place.mounts) TRY(import_mounts(options.build_dir, layers, place.where, options.owners));
    return imported;
  }
  if (!place.mounts) return pull_cache(cache, place.where, options.scratch_base, shown_layers(progress));
  const auto scratch = TRY(sandbox::Scratch::make(options.scratch_base));
  const WantedMounts mounts{.dir = scratch.path(), .is_wanted = [&](const Digest& id) { return !CacheMount::exists(options.build_dir, id); }};
  Imported imported = TRY(pull_cache(cache, place.where, options.scratch_base, shown_layers(progress), &mounts));
  TRY(import_mounts(options.build_dir, layers, scratch.path(), options.owners));
  return imported;
}

// One that is not there yet is none to begin with; a damaged one is not worth a build either.
void import_caches(const BuildOptions& options, Cache& cache, LayerOpener& layers, Progress& progress) {
  for (const CachePlace& place : options.cache_from) {
    const auto imported = import_place(place, options, cache, layers, progress);
    if (!imported) progress.warn("--cache-from: " + imported.error().message());
    else if (imported->refused != 0)
      progress.warn(fmt::format("--cache-from: {} of {} records are not taken: {}", imported->refused, imported->refused + imported->records,
                                imported->first_reason));
  }
}

Result<void> export_place(const CachePlace& place, const Ground& on) {
  const BuildOptions& options = on.options;
  const auto mounts_to = [&](const std::string& dir) { return export_mounts(on.shop.filled.all(), options.build_dir, on.shop.layers, dir); };
  if (!place.in_registry) {
    TRY(export_cache(on.shop.cache, on.used_keys, place.where));
    return place.mounts ? mounts_to(place.where) : Result<void>();
  }
  if (!place.mounts) return push_cache(on.shop.cache, on.used_keys, place.where, options.scratch_base);
  const auto scratch = TRY(sandbox::Scratch::make(options.scratch_base));
  TRY(mounts_to(scratch.path()));
  return push_cache(on.shop.cache, on.used_keys, place.where, options.scratch_base, scratch.path());
}

// After everything else, and not while other builds run: the last of them does it.
void keep_small(Cache& cache, std::uint64_t limit, Progress& progress) {
  if (limit == 0) return;
  const auto bytes = cache.bytes();
  if (bytes && *bytes <= limit) return;
  // Somewhat more than is needed, so that the next build need not do it again.
  const auto pruned = bytes ? cache.prune({.max_bytes = limit - limit / 10, .wait = false}) : Result<Pruned>(bytes.error().clone());
  if (!pruned && !pruned.error().is(EWOULDBLOCK)) progress.warn(pruned.error().message());
}

// Fetching is a step like others to who watches.
FetchImage shown_fetch(const BuildOptions& options, Progress& progress) {
  if (!options.fetch) return {};
  return [&](const std::string& name, const std::string& policy, const image::Platform& platform) -> Result<void> {
    const int shown = progress.begin("pulling " + name);
    auto fetched = options.fetch(name, policy, platform);
    if (fetched) progress.done(shown);
    else progress.failed(shown, fetched.error().message());
    return fetched;
  };
}

FetchContext shown_fetch_context(const BuildOptions& options, LayerOpener& layers, Progress& progress) {
  return [&](const std::string& what) -> Result<ContextDir> {
    const int shown = progress.begin("fetching " + without_users(what));
    auto fetched = open_context_dir(what, FdRef{STDIN_FILENO}, options.build_dir, layers);
    if (fetched) progress.done(shown);
    else progress.failed(shown, fetched.error().message());
    return fetched;
  };
}

// A name that no stage has is ignored, as BuildKit does: one list serves several Dockerfiles.
std::set<std::size_t> stages_named(const dockerfile::Dockerfile& file, const std::vector<std::string>& names, Progress& progress) {
  std::set<std::size_t> stages;
  for (const std::string& name : names) {
    if (const auto stage = find_target(file, name)) stages.insert(*stage);
    else progress.warn("--no-cache-filter: " + stage.error().message());
  }
  return stages;
}

// Of several platforms the stages stand one after another.
void add_report(BuildReport& all, BuildReport report, std::size_t first, const std::string& label) {
  all.seconds += report.seconds;
  for (StageReport& stage : report.stages) {
    stage.number += first;
    if (stage.base_stage) *stage.base_stage += first;
    for (StepReport& step : stage.steps)
      for (std::size_t& use : step.uses) use += first;
    stage.name = label + stage.name;
    all.stages.push_back(std::move(stage));
  }
}

void tell(const Checked& checked, const DockerfileText& text, Progress& progress) {
  for (const dockerfile::LintWarning& warning : checked.warnings)
    progress.warn({.text = fmt::format("{}: {} (line {})", warning.rule, warning.text, warning.place.first),
                   .detail = std::string(warning.description()),
                   .url = warning.url(),
                   .file = text.name,
                   .source = text.text,
                   .place = warning.place});
}

// Of a file that no build can begin with: what was found up to the mistake, which the caller tells.
void tell_what_was_found(const BuildOptions& options, const DockerfileText& text, const dockerfile::IgnoreRules& ignore, BaseImages& bases, Progress& progress) {
  if (const auto checked = check_text(options, text, ignore, bases, platforms_of(options).front())) tell(*checked, text, progress);
}

// Before anything is done. What the checks look at is what the base images define; what cannot be had is told when its stage is built.
Result<void> check(const Ground& on, const Graph& graph, const image::Platform& platform) {
  std::vector<std::pair<std::string, image::Platform>> bases;
  for (const std::size_t stage : graph.needed)
    if (const Origin& base = graph.bases[stage]; base.kind == Origin::Kind::image && !on.bases.is_directory(base.image))
      bases.emplace_back(base.image, graph.platforms[stage]);
  on.bases.prepare(bases, on.options.jobs);
  const Checked checked = TRY(check_text(on.options, on.text, on.ignore, on.bases, platform, graph.needed));
  tell(checked, on.text, on.progress);
  return checked.verdict();
}

Result<BuiltImage> build_for(Ground& on, const image::Platform& platform, const LayerPtr& context, std::size_t number) {
  const BuildOptions& options = on.options;
  const std::size_t target = TRY(find_target(on.file, options.target));
  const GlobalScope scope = TRY(GlobalScope::make(on.file, options.build_args, platform, on.file.stages[target].name));
  auto made = make_graph(on.file, options.target, scope, options.contexts, platform);
  if (!made && number == 0) tell_what_was_found(options, on.text, on.ignore, on.bases, on.progress);
  const Graph graph = TRY(std::move(made));
  if (number == 0) TRY(check(on, graph, platform));
  const std::string label = options.platforms.size() > 1 ? image::format_platform(platform) + " " : "";
  const ExecutorOptions how{.plan = {.network = options.network, .allow_insecure = options.allow_insecure, .devices = options.devices, .contexts = options.contexts,
                                     .hosts = options.hosts,
                                     .shm_size = options.shm_size,
                                     .limits = options.limits,
                                     .besides = options.besides},
                            .bases = options.bases,
                            .build_args = options.build_args,
                            .context_dir = options.context_dir,
                            .platform = platform,
                            .label = label,
                            .place_prefix = on.place + "\n" + on.text.name + (label.empty() ? "" : "\n" + label),
                            .no_cache = options.no_cache,
                            .no_cache_stages = stages_named(on.file, options.no_cache_stages, on.progress),
                            .explain = options.explain,
                            .reported = static_cast<bool>(options.report),
                            .jobs = options.jobs};
  Executor executor(on.file, graph, scope, context, on.bases, on.shop, on.progress, how);
  auto ran = executor.run();
  add_report(on.report, executor.report(), number * on.file.stages.size(), label);
  on.used_keys.insert(executor.used_keys().begin(), executor.used_keys().end());
  const StageState* state = TRY(std::move(ran));
  BuiltImage built{.platform = platform, .state = *state};
  image::Config& config = built.state.config;
  for (const Material& material : on.bases.opened())
    if (material.platform == platform || std::ranges::find(graph.platforms, material.platform) != graph.platforms.end()) built.materials.push_back(material);
  for (const auto& [name, value] : options.labels) config.labels[name] = value;
  for (const std::string& name : options.unset_env) std::erase_if(config.env, [&](const std::string& entry) { return entry.starts_with(name + "="); });
  if (config.created.empty()) config.created = format_time(built.state.clock);
  if (options.squash) built.state = TRY(squash(std::move(built.state), on.shop.layers, on.shop.cache));
  return built;
}

Result<std::optional<ExportedImage>> build_on(Ground& on) {
  const BuildOptions& options = on.options;
  const LayerPtr context = TRY(open_context(options.context_dir, on.ignore, on.hashes));
  std::vector<BuiltImage> built;
  for (const image::Platform& platform : platforms_of(options)) built.push_back(TRY(build_for(on, platform, context, built.size())));
  auto image = TRY(put_out(on, built));
  // After it: who cannot write the cache has the image all the same.
  for (const CachePlace& place : options.cache_to) {
    if (place.in_image) continue;  // it is there already
    auto written = export_place(place, on);
    if (!written && !place.ignore_error) return std::move(written).error().within("--cache-to");
    if (!written) on.progress.warn("--cache-to: " + written.error().message());
  }
  return image;
}

}  // namespace

Result<std::optional<ExportedImage>> build(const BuildOptions& given, Runner& runner, Progress& progress) {
  // Before anything is done.
  for (const std::string& tag : given.tags) TRY(image::parse_new_name(tag));
  for (const Output& output : given.outputs)
    for (const std::string& name : output.names) TRY_WITHIN(image::parse_new_name(name), "--output");
  LayerOpener layers(given.index_dir);
  const ContextDir where = TRY(open_context_dir(given.context_dir, FdRef{STDIN_FILENO}, given.build_dir, layers));
  BuildOptions options = in_context(given, where);
  const DockerfileText text = TRY(read_dockerfile(options));
  if (const auto frontend = foreign_frontend(text.text, options.build_args))
    progress.warn(fmt::format("the syntax {} is not run: the Dockerfile is read as docker/dockerfile:1 has it", *frontend));
  auto parsed = dockerfile::parse(text.text, text.name);
  if (!parsed) {
    Cache none = TRY(Cache::open(options.build_dir));
    BaseImages bases = base_images(options, none);
    tell_what_was_found(options, text, TRY(read_ignore(options, text)), bases, progress);
  }
  const dockerfile::Dockerfile file = TRY(std::move(parsed));
  TRY(settle_epoch(options, file, where.time, layers));
  const dockerfile::IgnoreRules ignore = TRY(read_ignore(options, text));
  TRY(find_target(file, options.target));

  Cache cache = TRY(Cache::open(options.build_dir));
  import_caches(options, cache, layers, progress);
  BaseImages bases = base_images(options, cache, shown_fetch(options, progress), shown_fetch_context(options, layers, progress));
  Workshop shop{.cache = cache,
                .layers = layers,
                .runner = runner,
                .times = options.times,
                .build_dir = options.build_dir,
                .secrets = options.secrets,
                .agents = options.agents,
                .trace = options.trace,
                .explain = options.explain};
  Ground ground{.options = options, .place = given.context_dir, .text = text, .file = file, .ignore = ignore, .bases = bases, .shop = shop, .progress = progress};
  if (!where.scratch) ground.hashes = FileHashes::load(options.build_dir, TRY(sys::open(where.dir, O_PATH | O_DIRECTORY)).ref(), where.dir);
  auto image = build_on(ground);
  if (ground.hashes)
    if (const auto kept = ground.hashes->save(); !kept) progress.warn("the next build reads its context anew: " + kept.error().message());
  if (options.report) options.report(ground.report, layers);
  // A build that fails for want of room makes some, too.
  keep_small(cache, options.cache_bytes, progress);
  return image;
}

}  // namespace acetate::build
