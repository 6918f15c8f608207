#include "builder/build.h"

#include <nlohmann/json.hpp>

#include "base/sys/file.h"
#include "builder/context_layer.h"
#include "builder/dockerfile/parse.h"
#include "builder/executor.h"
#include "layers/image/config.h"

namespace acetate::build {

namespace {

constexpr std::size_t kMostDockerfile = 16 << 20;

struct Text {
  std::string name;  // as messages say it
  std::string path;  // "" when it was not a file
  std::string text;
};

// A file's text; nothing when it is not there.
Result<std::optional<std::string>> read_if_there(const std::string& path) {
  auto text = sys::read_file(path, kMostDockerfile);
  if (text) return std::optional<std::string>(*std::move(text));
  if (text.error().is(ENOENT) || text.error().is(ENOTDIR)) return std::optional<std::string>();
  return std::move(text).error().within("reading " + path);
}

Result<Text> read_dockerfile(const BuildOptions& options) {
  if (options.dockerfile_text) return Text{"Dockerfile", "", *options.dockerfile_text};
  if (!options.dockerfile.empty()) {
    for (const std::string& path : {options.dockerfile, options.context_dir + "/" + options.dockerfile})
      if (auto text = TRY(read_if_there(path))) return Text{options.dockerfile, path, *std::move(text)};
    return fail(ENOENT, "there is no Dockerfile {}, neither here nor in the context {}", options.dockerfile, options.context_dir);
  }
  for (const char* name : {"Dockerfile", "Containerfile"}) {
    const std::string path = options.context_dir + "/" + name;
    if (auto text = TRY(read_if_there(path))) return Text{name, path, *std::move(text)};
  }
  return fail(ENOENT, "there is no Dockerfile (and no Containerfile) in {}; name one with -f", options.context_dir);
}

// NAME.dockerignore beside the Dockerfile wins over the context's own.
Result<dockerfile::IgnoreRules> read_ignore(const BuildOptions& options, const Text& dockerfile) {
  std::vector<std::string> paths;
  if (!dockerfile.path.empty()) paths.push_back(dockerfile.path + ".dockerignore");
  paths.push_back(options.context_dir + "/.containerignore");
  paths.push_back(options.context_dir + "/.dockerignore");
  for (const std::string& path : paths)
    if (const auto text = TRY(read_if_there(path))) return TRY_WITHIN(dockerfile::IgnoreRules::parse(*text), "{}", path);
  return dockerfile::IgnoreRules();
}

// What buildx writes into --metadata-file, by the same names.
Result<void> write_metadata(const std::string& path, const ExportedImage& image, const std::vector<std::string>& tags) {
  nlohmann::json metadata = {
      {"containerimage.config.digest", image.config.str()},
      {"containerimage.digest", image.manifest.digest.str()},
      {"containerimage.descriptor",
       {{"mediaType", image.manifest.media_type}, {"digest", image.manifest.digest.str()}, {"size", image.manifest.size}}}};
  std::string names;
  for (const std::string& tag : tags) names += (names.empty() ? "" : ",") + tag;
  if (!names.empty()) metadata["image.name"] = names;
  TRY_WITHIN(sys::write_file_atomically({kWorkingDir, path.c_str()}, metadata.dump(2) + "\n", 0644), "writing {}", path);
  return {};
}

// Into our own store, uncompressed: a mount reads such layers straight from their files.
Result<ExportedImage> put_in_store(const BuildOptions& options, const ExportRequest& request) {
  const auto images = TRY(image::Layout::open(options.images_dir));
  return export_image(request, *images, {.compression = Compression::none});
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
  for (const std::string& tag : options.tags) request.tags.push_back(with_tag(tag));
  const int shown = progress.begin("exporting");
  std::optional<ExportedImage> exported;
  if (options.outputs.empty()) exported = TRY(put_in_store(options, request));
  for (const Output& output : options.outputs)
    if (auto image = TRY(export_to(request, output))) exported = image;
  if (exported) {
    for (const std::string& tag : request.tags) progress.note(shown, "naming it " + tag);
    progress.note(shown, "image " + exported->config.str());
    if (!options.metadata_file.empty()) TRY(write_metadata(options.metadata_file, *exported, request.tags));
  }
  progress.done(shown);
  return exported;
}

}  // namespace

Result<std::optional<ExportedImage>> build(const BuildOptions& options, Runner& runner, Progress& progress) {
  const Text text = TRY(read_dockerfile(options));
  const dockerfile::Dockerfile file = TRY(dockerfile::parse(text.text, text.name));
  for (const std::string& warning : file.warnings) progress.warn(warning);

  const image::Platform platform = image::host_platform();
  const std::size_t target = TRY(find_target(file, options.target));
  const GlobalScope scope = TRY(GlobalScope::make(file, options.build_args, platform, file.stages[target].name));
  const Graph graph = TRY(make_graph(file, options.target, scope, options.contexts));
  const LayerPtr context = TRY(open_context(options.context_dir, TRY(read_ignore(options, text))));

  Cache cache = TRY(Cache::open(options.build_dir));
  LayerOpener layers(options.index_dir);
  BaseImages bases({.images_dir = options.images_dir,
                    .context_dir = options.context_dir,
                    .contexts = options.contexts,
                    .platform = platform},
                   cache);
  Workshop shop{.cache = cache,
                .layers = layers,
                .runner = runner,
                .times = options.times,
                .build_dir = options.build_dir,
                .secrets = options.secrets,
                .agents = options.agents};
  const ExecutorOptions how{.plan = {.network = options.network, .allow_insecure = options.allow_insecure, .contexts = options.contexts},
                            .build_args = options.build_args,
                            .context_dir = options.context_dir,
                            .place_prefix = options.context_dir + "\n" + text.name,
                            .no_cache = options.no_cache,
                            .explain = options.explain,
                            .jobs = options.jobs};
  Executor executor(file, graph, scope, context, bases, shop, progress, how);
  StageState built = *TRY(executor.run());
  for (const auto& [name, value] : options.labels) built.config.labels[name] = value;
  if (built.config.created.empty()) built.config.created = format_time(built.clock);

  return put_out(options, built, cache, layers, progress);
}

}  // namespace acetate::build
