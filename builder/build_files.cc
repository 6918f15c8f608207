#include "builder/build_files.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <filesystem>
#include <set>

#include "base/sys/file.h"
#include "base/sys/open.h"
#include "builder/context_file.h"
#include "layers/image/platform.h"

namespace acetate::build {

namespace {

constexpr std::size_t kMostDockerfile = 16 << 20;

// Where a file that the person named lies below the context; nothing where it does not. A part of the context it is by its name, and also by
// where its directory really is.
std::optional<RelPath> inside_context(const std::string& path, const std::string& context) {
  namespace fs = std::filesystem;
  std::error_code ignored;
  const fs::path root = fs::absolute(context, ignored).lexically_normal(), named = fs::absolute(path, ignored).lexically_normal();
  // Empty where it cannot be told: then it is not there, or not ours to read.
  for (const fs::path& found : {named, fs::weakly_canonical(named.parent_path(), ignored) / named.filename()}) {
    const std::string below = found.lexically_relative(root).string();
    if (below.empty() || below == "." || below == ".." || below.starts_with("../")) continue;
    if (auto inside = RelPath::parse(below)) return *std::move(inside);
  }
  return std::nullopt;
}

// A file's text; nothing when it is not there. One outside of the context is the person's own: a pipe and a symlink are as good as a file.
Result<std::optional<std::string>> read_named(const std::string& path, const std::string& context) {
  if (const auto inside = inside_context(path, context)) return read_context_file(context, *inside, kMostDockerfile);
  auto text = sys::read_file(path, kMostDockerfile);
  if (text) return std::optional<std::string>(*std::move(text));
  if (text.error().is(ENOENT) || text.error().is(ENOTDIR)) return std::optional<std::string>();
  return std::move(text).error().within("reading " + path);
}

// The way out where a name of the context is there, and what it leads to is not.
std::optional<Error> leads_nowhere(const std::string& context, const RelPath& inside) {
  const auto root = sys::open(context, O_PATH | O_DIRECTORY);
  if (!root) return std::nullopt;
  const auto found = sys::open_beneath(root->ref(), inside, O_PATH | O_NOFOLLOW, 0, sys::Symlinks::in_root);
  if (!found) return std::nullopt;
  const auto st = sys::stat(found->ref());
  if (!st || !S_ISLNK(st->st_mode)) return std::nullopt;
  return fail(ENOENT, "failed to read dockerfile: {} is a symbolic link that leads to no file of the context {}; name the file itself with -f", inside.str(), context);
}

}  // namespace

Result<DockerfileText> read_dockerfile(const BuildOptions& options) {
  if (options.dockerfile_text) return DockerfileText{"Dockerfile", "", *options.dockerfile_text};
  const std::string& context = options.context_dir;
  const auto found = [&](const std::string& name, const RelPath& inside, std::string text) {
    return DockerfileText{name, context + "/" + inside.str(), std::move(text)};
  };
  if (!options.dockerfile.empty()) {
    if (auto text = TRY(read_named(options.dockerfile, context))) return DockerfileText{options.dockerfile, options.dockerfile, *std::move(text)};
    const RelPath inside = TRY(RelPath::parse_clamped(options.dockerfile));
    if (auto text = TRY(read_context_file(context, inside, kMostDockerfile))) return found(options.dockerfile, inside, *std::move(text));
    if (auto linked = leads_nowhere(context, inside_context(options.dockerfile, context).value_or(inside))) return *std::move(linked);
    return fail(ENOENT, "failed to read dockerfile: open {0}: no such file or directory, neither here nor in the context {1}", options.dockerfile, context);
  }
  for (const char* name : {"Dockerfile", "dockerfile", "Containerfile"}) {
    const RelPath inside = TRY(RelPath::parse(name));
    if (auto text = TRY(read_context_file(context, inside, kMostDockerfile))) return found(name, inside, *std::move(text));
    if (auto linked = leads_nowhere(context, inside)) return *std::move(linked);
  }
  return fail(ENOENT, "failed to read dockerfile: open Dockerfile: no such file or directory; {} has none, and no Containerfile: name one with -f", context);
}

// NAME.dockerignore beside the Dockerfile wins over the context's own.
Result<dockerfile::IgnoreRules> read_ignore(const BuildOptions& options, const DockerfileText& dockerfile) {
  if (options.ignore_file) {
    const std::string text = TRY_WITHIN(sys::read_file(*options.ignore_file, kMostDockerfile), "reading {}", *options.ignore_file);
    return TRY_WITHIN(dockerfile::IgnoreRules::parse(text), "{}", *options.ignore_file);
  }
  if (!dockerfile.path.empty()) {
    const std::string beside = dockerfile.path + ".dockerignore";
    if (const auto text = TRY(read_named(beside, options.context_dir))) return TRY_WITHIN(dockerfile::IgnoreRules::parse(*text), "{}", beside);
  }
  return read_ignore_of(options.context_dir, {".containerignore", ".dockerignore"});
}

Result<dockerfile::IgnoreRules> read_ignore_of(const std::string& dir, const std::vector<std::string>& names) {
  for (const std::string& name : names)
    if (const auto text = TRY(read_context_file(dir, TRY(RelPath::parse(name)), kMostDockerfile)))
      return TRY_WITHIN(dockerfile::IgnoreRules::parse(*text), "{}/{}", dir, name);
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

BaseImages base_images(const BuildOptions& options, Cache& cache, const FetchImage& fetch, const FetchContext& fetch_context) {
  return BaseImages({.images = options.images,
                     .context_dir = options.context_dir,
                     .names_files = options.names_files,
                     .contexts = options.contexts,
                     .fetch = fetch,
                     .policy = options.pull,
                     .fetch_context = fetch_context},
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
    if (bases.is_directory(name)) return dockerfile::BaseFacts{.env = {}, .platform = wanted};
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
  const bool comes_along = where.dockerfile && !options.dockerfile_text;
  if (comes_along) options.dockerfile_text = where.dockerfile;
  // One that the person gave beside the context is the person's own.
  const bool is_named = !options.dockerfile.empty() && !inside_context(options.dockerfile, where.dir) && sys::stat_following(options.dockerfile).has_value();
  const bool is_own = options.dockerfile_text ? !comes_along : is_named;
  options.names_files = !where.scratch || is_own;
  return options;
}

}  // namespace acetate::build
