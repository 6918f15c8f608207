// RUN and WORKDIR planned.

#include "builder/stage_planner.h"

namespace acetate::build {

Result<void> StagePlanner::plan(const dockerfile::Run& run) {
  if (!run.devices.empty()) return not_yet("--device", "RUN --device");
  if (run.security && *run.security != "sandbox") {
    if (*run.security != "insecure")
      return complain("--security", fmt::format("security \"{}\" is not valid: sandbox and insecure are", *run.security));
    if (!options_.allow_insecure)
      return complain("--security", "entitlement security.insecure is not allowed; --allow security.insecure allows it");
  }
  RunStep step{.argv = argv_of(run.command),
               .env = args_.environment(config_.env),
               .proxies = args_.proxies(config_.env),
               .cwd = cwd(),
               .user = config_.user,
               .network = options_.network,
               .insecure = run.security == "insecure",
               .mounts = {},
               .hosts = options_.hosts,
               .shm_size = options_.shm_size,
               .limits = options_.limits};
  step.mounts = TRY(plan_mounts(run.mounts));
  if (const auto hostname = args_.given("BUILDKIT_SANDBOX_HOSTNAME")) step.hostname = *hostname;
  if (run.network) {
    if (*run.network != "default" && *run.network != "host" && *run.network != "none")
      return complain("--network", fmt::format("invalid network mode \"{}\": default, host and none are", *run.network));
    // "host" never gives back what the whole build was denied.
    step.network = options_.network && *run.network != "none";
  }
  if (!run.heredocs.empty()) {
    if (!run.command.shell || run.command.words.size() != 1)
      return complain("<<", "a RUN with a here-document wants the shell form");
    const std::string& written = run.command.words.front();
    const dockerfile::Heredoc& first = run.heredocs.front();
    if (!dockerfile::parse_heredoc_word(written)) {
      // More than a here-document stands on the line: the shell gets all of it as it was written.
      std::string text = written;
      for (const dockerfile::Heredoc& heredoc : run.heredocs) text += "\n" + heredoc.content + heredoc.name;
      step.argv = shell_argv(text);
    } else if (first.content.starts_with("#!")) {
      step.script = RunStep::Script{"/dev/pipes/" + first.name, first.content};
      step.argv = {step.script->path};
    } else {
      step.argv = shell_argv(first.content);
    }
  }

  std::string created_by = "RUN";
  const auto args = args_.visible(config_.env);
  if (!args.empty()) created_by += fmt::format(" |{}", args.size());
  for (const std::string& arg : args) created_by += " " + arg;
  for (const std::string& word : step.argv) created_by += " " + word;
  add(std::move(step), created_by + " # buildkit");
  return {};
}

Result<void> StagePlanner::plan(const dockerfile::Workdir& workdir) {
  const std::string path = TRY(expand(workdir.path));
  if (path.empty()) return complain(workdir.path, "WORKDIR wants a path that is not empty");
  config_.working_dir = join_path(cwd(), path);
  add(WorkdirStep{config_.working_dir, config_.user}, "WORKDIR " + config_.working_dir);
  return {};
}

}  // namespace acetate::build
