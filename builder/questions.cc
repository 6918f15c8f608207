#include "builder/questions.h"

#include <unistd.h>

#include "builder/build_files.h"
#include "builder/dockerfile/parse.h"

namespace acetate::build {

namespace {

// What every question begins with.
struct Asked {
  explicit Asked(const std::string& index_dir) : layers(index_dir) {}
  LayerOpener layers;
  ContextDir where = {};
  BuildOptions options = {};
  DockerfileText text = {};
};

Result<std::unique_ptr<Asked>> ask(const BuildOptions& given) {
  auto asked = std::make_unique<Asked>(given.index_dir);
  asked->where = TRY(open_context_dir(given.context_dir, FdRef{STDIN_FILENO}, given.build_dir, asked->layers));
  asked->options = in_context(given, asked->where);
  asked->text = TRY(read_dockerfile(asked->options));
  return asked;
}

// The graph of what --target means, with the scope it was made with.
struct Meant {
  GlobalScope scope;
  Graph graph;
};
Result<Meant> meant(const BuildOptions& options, const dockerfile::Dockerfile& file) {
  const image::Platform platform = platforms_of(options).front();
  const std::size_t target = TRY(find_target(file, options.target));
  GlobalScope scope = TRY(GlobalScope::make(file, options.build_args, platform, file.stages[target].name));
  Graph graph = TRY(make_graph(file, options.target, scope, options.contexts, platform));
  return Meant{.scope = std::move(scope), .graph = std::move(graph)};
}

}  // namespace

Result<CheckReport> check(const BuildOptions& given) {
  const auto asked = TRY(ask(given));
  const auto& [layers, where, options, text] = *asked;
  Cache cache = TRY(Cache::open(options.build_dir));
  BaseImages bases = base_images(options, cache);
  const auto parsed = dockerfile::parse(text.text, text.name);
  std::optional<std::vector<std::size_t>> built;
  if (parsed && !options.target.empty()) built = TRY(meant(options, *parsed)).graph.needed;
  Checked checked = TRY(check_text(options, text, TRY(read_ignore(options, text)), bases, platforms_of(options).front(), std::move(built)));
  CheckReport report{.warnings = checked.warnings, .source = checked.source, .text = text.text};
  // What stops a build before its first step is told with it.
  const auto whole = parsed ? meant(options, *parsed) : Result<Meant>(parsed.error().clone());
  const auto verdict = checked.verdict();
  if (!whole) report.mistake = whole.error().message();
  else if (!verdict) report.mistake = verdict.error().message();
  return report;
}

Result<OutlineReport> outline(const BuildOptions& given) {
  const auto asked = TRY(ask(given));
  const auto& [layers, where, options, text] = *asked;
  const dockerfile::Dockerfile file = TRY(dockerfile::parse(text.text, text.name));
  const dockerfile::Lines lines = TRY(dockerfile::split_lines(text.text, text.name));
  const auto [scope, graph] = TRY(meant(options, file));
  Cache cache = TRY(Cache::open(options.build_dir));
  BaseImages bases = base_images(options, cache);
  return OutlineReport{.outline = TRY(outline(file, lines, graph, scope, options.build_args, bases)), .text = text.text};
}

Result<TargetsReport> targets(const BuildOptions& given) {
  const auto asked = TRY(ask(given));
  const DockerfileText& text = asked->text;
  const dockerfile::Dockerfile file = TRY(dockerfile::parse(text.text, text.name));
  const dockerfile::Lines lines = TRY(dockerfile::split_lines(text.text, text.name));
  return TargetsReport{.targets = targets(file, lines), .text = text.text};
}

}  // namespace acetate::build
