// RUN and WORKDIR planned.

#include <algorithm>

#include "builder/dockerfile/csv.h"
#include "builder/stage_planner.h"

namespace acetate::build {

// "NAME[,required]" or "name=NAME,required=BOOL"; what of CDI a name is has a "=" itself.
Result<RunStep::Device> StagePlanner::plan_device(const std::string& written) const {
  const auto fields = dockerfile::split_csv(written);
  if (!fields) return complain(written, fields.error().message());
  RunStep::Device device;
  for (const std::string& field : *fields) {
    const auto [key, value, has_value] = dockerfile::split_option(field);
    if (key == "required" && (!has_value || value == "true" || value == "false")) {
      device.required = value != "false";
    } else if (key == "required") {
      return complain(written, fmt::format("invalid value for required: {}: true or false is wanted", value));
    } else if (!device.name.empty()) {
      return complain(written, key == "name" ? fmt::format("device name already set to {}", device.name) : fmt::format("unexpected key '{}' in '{}'", key, field));
    } else {
      device.name = key == "name" && has_value ? value : field;
    }
  }
  if (!device.name.starts_with("/dev/") && device.name.find('=') == std::string::npos)
    return complain(written, fmt::format("\"{}\" is no device: --device wants VENDOR/CLASS=NAME, as CDI has it, or /dev/…", device.name));
  device.allowed = std::ranges::any_of(options_.devices, [&](const std::string& allowed) { return allowed.empty() || allowed == device.name; });
  return device;
}

Result<void> StagePlanner::plan(const dockerfile::Run& run) {
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
               .limits = options_.limits,
               .besides = options_.besides};
  step.mounts = TRY(plan_mounts(run.mounts));
  for (const std::string& written : run.devices) step.devices.push_back(TRY(plan_device(written)));
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
  const auto args = args_.told(config_.env);
  if (!args.empty()) created_by += fmt::format(" |{}", args.size());
  for (const std::string& arg : args) created_by += " " + arg;
  for (const std::string& word : step.argv) created_by += " " + word;
  add(std::move(step), created_by + " # buildkit");
  return {};
}

Result<void> StagePlanner::plan(const dockerfile::Workdir& workdir) {
  const std::string path = TRY(expand(workdir.path));
  if (path.empty()) return complain(workdir.path, "WORKDIR wants a path that is not empty");
  config_.working_dir = TRY(absolute(path, workdir.path));
  add(WorkdirStep{config_.working_dir, config_.user}, "WORKDIR " + config_.working_dir);
  return {};
}

}  // namespace acetate::build
