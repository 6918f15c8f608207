#include "builder/plan.h"

#include <nlohmann/json.hpp>
#include <set>

#include "base/rel_path.h"
#include "builder/dockerfile/mount.h"
#include "builder/dockerfile/parse.h"
#include "builder/public_url.h"
#include "builder/shell.h"
#include "builder/stage_planner.h"

namespace acetate::build {

StagePlanner::StagePlanner(const dockerfile::Dockerfile& file, std::size_t stage, image::Config base, StageArgs args,
                           const PlanOptions& options)
    : file_(file),
      stage_(stage),
      options_(options),
      config_(std::move(base)),
      args_(std::move(args)),
      source_(&file.source),
      escape_(file.directives.escape) {}

Result<PlannedStage> StagePlanner::run() && {
  args_.hide_all();
  // Windows has its own, which is not the image's to know.
  if (!get_env(config_.env, "PATH") && config_.platform.os != "windows")
    set_env(config_.env, "PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
  TRY(run_triggers());
  for (const dockerfile::Instruction& each : file_.stages[stage_].body) TRY(instruction(each));
  return PlannedStage{std::move(steps_), std::move(args_), std::move(config_)};
}

Result<void> StagePlanner::run_triggers() {
  const std::vector<std::string> triggers = std::exchange(config_.onbuild, {});
  for (const std::string& trigger : triggers) {
    const dockerfile::Lines lines =
        TRY(dockerfile::split_lines(trigger, fmt::format("ONBUILD trigger of {}", file_.stages[stage_].base)));
    source_ = &lines.source;
    in_trigger_ = true;
    escape_ = '\\';
    for (const dockerfile::Line& line : lines.lines) {
      const dockerfile::Node node = TRY(dockerfile::parse_line(line, lines.source, escape_));
      TRY(instruction(TRY(dockerfile::parse_instruction(node, lines.source))));
    }
  }
  source_ = &file_.source;
  in_trigger_ = false;
  escape_ = file_.directives.escape;
  return {};
}

Result<void> StagePlanner::instruction(const dockerfile::Instruction& instruction) {
  current_ = &instruction;
  return std::visit([this](const auto& what) { return plan(what); }, instruction.what);
}

std::string StagePlanner::title() const {
  std::set<std::string, std::less<>> secrets;
  if (const auto* run = std::get_if<dockerfile::Run>(&current_->what))
    for (const std::string& mount : run->mounts)
      if (const auto is = dockerfile::parse_mount(mount, [](std::string_view value) -> Result<std::string> { return std::string(value); }); is && is->env)
        secrets.insert(is->env->empty() ? is->id : *is->env);
  const auto known = args_.lookup(config_.env);
  const dockerfile::Lookup look = [&](std::string_view name) { return secrets.contains(name) ? std::optional<std::string>("****") : known(name); };
  // Shown to whoever watches, and in reports.
  return without_users(
      dockerfile::expand_or(current_->original, look, {.escape = escape_, .raw_quotes = true, .raw_escapes = true, .skip_unset = true}, current_->original));
}

void StagePlanner::add(decltype(Step::what) what, std::string created_by) {
  Step step{.place = in_trigger_ ? file_.stages[stage_].place : current_->place,
            .title = title(),
            .created_by = std::move(created_by),
            .on_build = in_trigger_,
            .after = config_,
            .what = std::move(what)};
  steps_.push_back(std::move(step));
}

Result<std::string> StagePlanner::expand(std::string_view word) {
  auto value = dockerfile::expand(word, args_.lookup(config_.env), {.escape = escape_});
  if (!value) return complain(word, value.error().message());
  return *std::move(value);
}

Result<std::string> StagePlanner::expand_heredoc(std::string_view content) {
  auto value = dockerfile::expand(content, args_.lookup(config_.env), {.escape = escape_, .plain_quotes = true});
  if (!value) return complain("", value.error().message());
  return *std::move(value);
}

Error StagePlanner::complain(std::string_view at, std::string_view words) const {
  return source_->complain(current_->place, at, words);
}

std::vector<std::string> StagePlanner::shell_argv(const std::string& text) const {
  std::vector<std::string> argv = shell_of(config_);
  argv.push_back(text);
  return argv;
}

std::vector<std::string> StagePlanner::argv_of(const dockerfile::CommandLine& command) const {
  if (!command.shell) return command.words;
  return command.words.empty() ? std::vector<std::string>() : shell_argv(command.words.front());
}

Result<std::string> StagePlanner::absolute(std::string_view path, std::string_view written) const {
  const auto clean = RelPath::parse_clamped(path.starts_with('/') ? std::string(path) : fmt::format("{}/{}", cwd(), path));
  if (!clean) return complain(written, "a path holds a NUL byte");
  return "/" + clean->str();
}

Result<PlannedStage> plan_stage(const dockerfile::Dockerfile& file, std::size_t stage, image::Config base,
                                StageArgs args, const PlanOptions& options) {
  return StagePlanner(file, stage, std::move(base), std::move(args), options).run();
}

}  // namespace acetate::build
