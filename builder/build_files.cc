#include "builder/build_files.h"

#include <set>

#include "base/sys/file.h"
#include "layers/image/platform.h"

namespace acetate::build {

namespace {

constexpr std::size_t kMostDockerfile = 16 << 20;

// A file's text; nothing when it is not there.
Result<std::optional<std::string>> read_if_there(const std::string& path) {
  auto text = sys::read_file(path, kMostDockerfile);
  if (text) return std::optional<std::string>(*std::move(text));
  if (text.error().is(ENOENT) || text.error().is(ENOTDIR)) return std::optional<std::string>();
  return std::move(text).error().within("reading " + path);
}

}  // namespace

Result<DockerfileText> read_dockerfile(const BuildOptions& options) {
  if (options.dockerfile_text) return DockerfileText{"Dockerfile", "", *options.dockerfile_text};
  if (!options.dockerfile.empty()) {
    for (const std::string& path : {options.dockerfile, options.context_dir + "/" + options.dockerfile})
      if (auto text = TRY(read_if_there(path))) return DockerfileText{options.dockerfile, path, *std::move(text)};
    return fail(ENOENT, "failed to read dockerfile: open {0}: no such file or directory, neither here nor in the context {1}", options.dockerfile, options.context_dir);
  }
  for (const char* name : {"Dockerfile", "dockerfile", "Containerfile"}) {
    const std::string path = options.context_dir + "/" + name;
    if (auto text = TRY(read_if_there(path))) return DockerfileText{name, path, *std::move(text)};
  }
  return fail(ENOENT, "failed to read dockerfile: open Dockerfile: no such file or directory; {} has none, and no Containerfile: name one with -f", options.context_dir);
}

// NAME.dockerignore beside the Dockerfile wins over the context's own.
Result<dockerfile::IgnoreRules> read_ignore(const BuildOptions& options, const DockerfileText& dockerfile) {
  std::vector<std::string> paths;
  if (!dockerfile.path.empty()) paths.push_back(dockerfile.path + ".dockerignore");
  paths.push_back(options.context_dir + "/.containerignore");
  paths.push_back(options.context_dir + "/.dockerignore");
  for (const std::string& path : paths)
    if (const auto text = TRY(read_if_there(path))) return TRY_WITHIN(dockerfile::IgnoreRules::parse(*text), "{}", path);
  return dockerfile::IgnoreRules();
}

Result<void> Checked::verdict() const {
  if (!strict || warnings.empty()) return {};
  std::set<std::string> rules;
  for (const dockerfile::LintWarning& warning : warnings) rules.insert(warning.rule);
  std::string names;
  for (const std::string& rule : rules) names += (names.empty() ? "" : ", ") + rule;
  return source.complain(warnings.front().place, "", fmt::format("lint violation found for rules: {}", names));
}

BaseImages base_images(const BuildOptions& options, Cache& cache, const FetchImage& fetch) {
  return BaseImages({.images = options.images,
                     .context_dir = options.context_dir,
                     .contexts = options.contexts,
                     .fetch = fetch,
                     .policy = options.pull},
                    cache);
}

Result<Checked> check_text(const BuildOptions& options, const DockerfileText& text, const dockerfile::IgnoreRules& ignore,
                           BaseImages& bases, const image::Platform& platform, std::optional<std::vector<std::size_t>> built) {
  const dockerfile::Lines lines = TRY(dockerfile::split_lines(text.text, text.name));
  std::string wished = lines.directives.check.value_or("");
  if (const auto given = options.build_args.find("BUILDKIT_DOCKERFILE_CHECK"); given != options.build_args.end()) wished = given->second;
  const dockerfile::LintOptions how = TRY_WITHIN(dockerfile::parse_check(wished), "{}", text.name);
  dockerfile::LintSurroundings around{.ignore = &ignore, .build_args = options.build_args, .platform = image::format_platform(platform), .built = std::move(built)};
  around.find_base = [&](const std::string& name, const std::string& wanted) -> std::optional<dockerfile::BaseFacts> {
    if (bases.directory(name)) return dockerfile::BaseFacts{.env = {}, .platform = wanted};
    // One that is not here, or not to be read, and a platform that is none, are what the build complains of.
    const auto of = image::parse_platform(wanted);
    if (!of) return std::nullopt;
    const auto state = bases.open_here(name, *of);
    if (!state) return std::nullopt;
    return dockerfile::BaseFacts{.env = (*state)->config.env, .platform = image::format_platform((*state)->config.platform)};
  };
  return Checked{.warnings = dockerfile::lint(lines, around, how), .source = lines.source, .strict = how.error};
}

std::vector<image::Platform> platforms_of(const BuildOptions& options) {
  return options.platforms.empty() ? std::vector{image::host_platform()} : options.platforms;
}

BuildOptions in_context(const BuildOptions& given, const ContextDir& where) {
  BuildOptions options = given;
  options.context_dir = where.dir;
  if (where.dockerfile && !options.dockerfile_text) options.dockerfile_text = where.dockerfile;
  return options;
}

}  // namespace acetate::build
