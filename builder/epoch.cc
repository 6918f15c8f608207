#include "builder/epoch.h"

#include <unistd.h>

#include <algorithm>

#include "builder/context_source.h"
#include "builder/git_ref.h"
#include "builder/graph.h"
#include "layers/image/platform.h"

namespace acetate::build {

namespace {

constexpr std::string_view kName = "SOURCE_DATE_EPOCH";

// The ARG before the first FROM that declares it.
const dockerfile::Instruction* declared_in(const dockerfile::Dockerfile& file) {
  for (const dockerfile::Instruction& instruction : file.globals) {
    const auto& args = std::get<dockerfile::Arg>(instruction.what).args;
    if (std::ranges::find(args, kName, &dockerfile::Arg::One::name) != args.end()) return &instruction;
  }
  return nullptr;
}

class EpochFinder {
 public:
  EpochFinder(const BuildOptions& options, const dockerfile::Dockerfile& file, std::optional<std::int64_t> context_time, LayerOpener& layers)
      : options_(options), file_(file), context_time_(context_time), layers_(layers) {}

  Result<std::optional<std::int64_t>> find(const std::string& text, const GlobalScope& scope) {
    if (text.empty()) return std::optional<std::int64_t>();
    const auto seconds = parse_epoch(text);
    if (seconds) return std::optional(*seconds);
    if (text == "context") return context_time_;
    if (const std::string* named = find_context(options_.contexts, text)) return time_of(*named);
    for (const dockerfile::Stage& stage : file_.stages)
      if (!stage.name.empty() && stage.name == text) return time_of(TRY(source_of(stage, scope)));
    return seconds.error().clone();
  }

 private:
  Result<std::optional<std::int64_t>> time_of(const std::string& what) {
    return TRY(open_context_dir(what, FdRef{STDIN_FILENO}, options_.build_dir, layers_)).time;
  }

  // What the one ADD of a stage fetches. The stage does nothing else, so that its time can be known without building it.
  Result<std::string> source_of(const dockerfile::Stage& stage, const GlobalScope& scope) {
    const auto complain = [&](dockerfile::Place place, std::string_view words) { return file_.source.complain(place, "", words); };
    StageArgs args(scope, options_.build_args);
    const std::vector<std::string> no_env;
    const auto expand = [&](const std::string& word) { return dockerfile::expand(word, args.lookup(no_env), {.escape = file_.directives.escape}); };
    if (TRY(dockerfile::expand(stage.base, scope.lookup(), {.escape = file_.directives.escape})) != "scratch")
      return complain(stage.place, "SOURCE_DATE_EPOCH stage must use FROM scratch");
    std::optional<std::string> source;
    for (const dockerfile::Instruction& instruction : stage.body) {
      if (const auto* arg = std::get_if<dockerfile::Arg>(&instruction.what)) {
        for (const auto& one : arg->args) args.declare(one.name, one.value ? std::optional(TRY(expand(*one.value))) : std::nullopt);
        continue;
      }
      const auto* add = std::get_if<dockerfile::Copy>(&instruction.what);
      if (add == nullptr || !add->add)
        return complain(instruction.place, "SOURCE_DATE_EPOCH stage does not meet source-only requirements: one ADD of a URL or a git repository, and ARGs");
      if (source || add->sources.size() != 1 || !add->inline_files.empty())
        return complain(instruction.place, "SOURCE_DATE_EPOCH stage must contain exactly one remote ADD");
      source = TRY(expand(add->sources.front()));
      if (!source->starts_with("http://") && !source->starts_with("https://") && !TRY(parse_git_ref(*source)))
        return complain(instruction.place, "SOURCE_DATE_EPOCH stage source must be a single HTTP(S) or Git ADD");
    }
    if (!source) return complain(stage.place, "SOURCE_DATE_EPOCH stage must contain exactly one remote ADD");
    return *std::move(source);
  }

  const BuildOptions& options_;
  const dockerfile::Dockerfile& file_;
  std::optional<std::int64_t> context_time_;
  LayerOpener& layers_;
};

}  // namespace

Result<void> settle_epoch(BuildOptions& options, const dockerfile::Dockerfile& file, std::optional<std::int64_t> context_time, LayerOpener& layers) {
  const dockerfile::Instruction* declared = declared_in(file);
  if (options.times.kind != TimeRule::Kind::logical || (options.epoch.value_or("").empty() && declared == nullptr)) return {};
  const GlobalScope scope = TRY(GlobalScope::make(file, options.build_args, options.platforms.empty() ? image::host_platform() : options.platforms.front(), ""));
  const std::string text = options.epoch ? *options.epoch : scope.find(kName).value_or("");
  auto found = EpochFinder(options, file, context_time, layers).find(text, scope);
  if (!found && !options.epoch && found.error().message().find('\n') == std::string::npos)
    return file.source.complain(declared->place, kName, found.error().message());
  const auto seconds = TRY(std::move(found));
  // A step that declares it sees the number, wherever it is from.
  if (seconds) options.times = {.kind = TimeRule::Kind::epoch, .epoch = *seconds};
  options.build_args.insert_or_assign(std::string(kName), seconds ? std::to_string(*seconds) : "");
  return {};
}

}  // namespace acetate::build
