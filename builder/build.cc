#include "builder/build.h"

#include <unistd.h>

#include <nlohmann/json.hpp>

#include "base/sys/file.h"
#include "builder/build_files.h"
#include "builder/cache_registry.h"
#include "builder/context_layer.h"
#include "builder/context_source.h"
#include "builder/dockerfile/parse.h"
#include "builder/executor.h"
#include "builder/squash.h"
#include "layers/image/config.h"

namespace acetate::build {

namespace {

// What buildx writes into --metadata-file, by the same names.
Result<void> write_metadata(const std::string& path, const ExportedImage& image, const std::vector<std::string>& tags) {
  nlohmann::json metadata = {
      {"containerimage.config.digest", image.config.str()},
      {"containerimage.digest", image.manifest.digest.str()},
      {"containerimage.descriptor",
       {{"mediaType", image.manifest.media_type}, {"digest", image.manifest.digest.str()}, {"size", image.manifest.size}}}};
  std::string names;
  for (const std::string& tag : tags) names += (names.empty() ? "" : ",") + with_tag(tag);
  if (!names.empty()) metadata["image.name"] = names;
  TRY_WITHIN(sys::write_file_atomically({kWorkingDir, path.c_str()}, metadata.dump(2) + "\n", 0644), "writing {}", path);
  return {};
}

// Into our own store, uncompressed: a mount reads such layers straight from their files.
Result<ExportedImage> put_in_store(const BuildOptions& options, const ExportRequest& request) {
  const auto images = TRY(image::ImageStore::open(options.images));
  auto exported = TRY(export_image(request, *images, {.compression = Compression::none}));
  if (request.tags.empty()) TRY(images->keep_unnamed(exported.manifest));
  return exported;
}

Result<std::optional<ExportedImage>> put_out(const BuildOptions& options, const StageState& built, Cache& cache,
                                             LayerOpener& layers, Progress& progress) {
  ExportRequest request{.state = built,
                        .cache = cache,
                        .layers = layers,
                        .times = options.times,
                        .annotations = options.annotations,
                        .scratch_base = options.scratch_base,
                        .owners = options.owners};
  request.tags = options.tags;
  const int shown = progress.begin("exporting");
  std::optional<ExportedImage> exported;
  if (options.outputs.empty()) exported = TRY(put_in_store(options, request));
  for (const Output& output : options.outputs)
    if (auto image = TRY(export_to(request, output))) exported = image;
  if (exported) {
    for (const std::string& tag : request.tags) progress.note(shown, "naming it " + with_tag(tag));
    progress.note(shown, "image " + exported->config.str());
    if (!options.metadata_file.empty()) TRY(write_metadata(options.metadata_file, *exported, request.tags));
  }
  progress.done(shown);
  return exported;
}

// One that is not there yet is none to begin with; a damaged one is not worth a build either.
void import_caches(const BuildOptions& options, Cache& cache, Progress& progress) {
  for (const CachePlace& place : options.cache_from) {
    const auto imported = place.in_registry ? pull_cache(cache, place.where, options.scratch_base) : import_cache(cache, place.where);
    if (!imported) progress.warn("--cache-from: " + imported.error().message());
    else if (imported->refused != 0)
      progress.warn(fmt::format("--cache-from: {} of {} records are not taken: {}", imported->refused, imported->refused + imported->records,
                                imported->first_reason));
  }
}

// After everything else, and not while other builds run: the last of them does it.
void keep_small(Cache& cache, std::uint64_t limit, Progress& progress) {
  if (limit == 0) return;
  const auto bytes = cache.layer_bytes();
  if (bytes && *bytes <= limit) return;
  // Somewhat more than is needed, so that the next build need not do it again.
  const auto pruned = bytes ? cache.prune({.max_bytes = limit - limit / 10, .wait = false}) : Result<Pruned>(bytes.error().clone());
  if (!pruned && !pruned.error().is(EWOULDBLOCK)) progress.warn(pruned.error().message());
}

// Fetching is a step like others to who watches.
FetchImage shown_fetch(const BuildOptions& options, Progress& progress) {
  if (!options.fetch) return {};
  return [&](const std::string& name, const std::string& policy) -> Result<void> {
    const int shown = progress.begin("pulling " + name);
    auto fetched = options.fetch(name, policy);
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

}  // namespace

Result<std::optional<ExportedImage>> build(const BuildOptions& given, Runner& runner, Progress& progress) {
  for (const std::string& tag : given.tags) TRY(image::parse_reference(tag));  // before anything is done
  LayerOpener layers(given.index_dir);
  const ContextDir where = TRY(open_context_dir(given.context_dir, FdRef{STDIN_FILENO}, given.build_dir, layers));
  const BuildOptions options = in_context(given, where);
  const DockerfileText text = TRY(read_dockerfile(options));
  const dockerfile::Dockerfile file = TRY(dockerfile::parse(text.text, text.name));
  const dockerfile::IgnoreRules ignore = TRY(read_ignore(options, text));
  const image::Platform platform = image::host_platform();
  const std::size_t target = TRY(find_target(file, options.target));
  const GlobalScope scope = TRY(GlobalScope::make(file, options.build_args, platform, file.stages[target].name));
  const Graph graph = TRY(make_graph(file, options.target, scope, options.contexts));

  Cache cache = TRY(Cache::open(options.build_dir));
  import_caches(options, cache, progress);
  BaseImages bases = base_images(options, cache, shown_fetch(options, progress));
  // Before the checks, which look at what they define. What cannot be had is told when its stage is built.
  for (const std::size_t stage : graph.needed)
    if (const Origin& base = graph.bases[stage]; base.kind == Origin::Kind::image && !bases.directory(base.image))
      static_cast<void>(bases.open(base.image).has_value());
  const Checked checked = TRY(check_text(options, text, ignore, bases));
  for (const dockerfile::LintWarning& warning : checked.warnings)
    progress.warn(fmt::format("{}: {} (line {})", warning.rule, warning.text, warning.place.first));
  TRY(checked.verdict());
  const LayerPtr context = TRY(open_context(options.context_dir, ignore));

  Workshop shop{.cache = cache,
                .layers = layers,
                .runner = runner,
                .times = options.times,
                .build_dir = options.build_dir,
                .secrets = options.secrets,
                .agents = options.agents,
                .trace = options.trace};
  const auto anew = stages_named(file, options.no_cache_stages, progress);
  const ExecutorOptions how{.plan = {.network = options.network, .allow_insecure = options.allow_insecure, .contexts = options.contexts,
                                     .hosts = options.hosts,
                                     .shm_size = options.shm_size,
                                     .limits = options.limits},
                            .build_args = options.build_args,
                            .context_dir = options.context_dir,
                            .place_prefix = given.context_dir + "\n" + text.name,
                            .no_cache = options.no_cache,
                            .no_cache_stages = anew,
                            .explain = options.explain,
                            .reported = options.report != nullptr,
                            .jobs = options.jobs};
  Executor executor(file, graph, scope, context, bases, shop, progress, how);
  auto ran = executor.run();
  if (options.report != nullptr) *options.report = executor.report();
  StageState built = *TRY(std::move(ran));
  for (const auto& [name, value] : options.labels) built.config.labels[name] = value;
  if (built.config.created.empty()) built.config.created = format_time(built.clock);
  if (options.squash) built = TRY(squash(std::move(built), layers, cache));

  auto image = TRY(put_out(options, built, cache, layers, progress));
  // After it: who cannot write the cache has the image all the same.
  for (const CachePlace& place : options.cache_to) {
    const auto& keys = executor.used_keys();
    TRY_WITHIN(place.in_registry ? push_cache(cache, keys, place.where, options.scratch_base) : export_cache(cache, keys, place.where), "--cache-to");
  }
  keep_small(cache, options.cache_bytes, progress);
  return image;
}

}  // namespace acetate::build
