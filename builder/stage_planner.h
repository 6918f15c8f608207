// The planner of one stage: one overload an instruction. Private to plan*.cc.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "builder/plan.h"

namespace acetate::build {

class StagePlanner {
 public:
  StagePlanner(const dockerfile::Dockerfile& file, std::size_t stage, image::Config base, StageArgs args,
               const PlanOptions& options);

  Result<PlannedStage> run() &&;

 private:
  Result<void> run_triggers();
  Result<void> instruction(const dockerfile::Instruction& instruction);

  Result<void> plan(const dockerfile::Arg& arg);
  Result<void> plan(const dockerfile::Env& env);
  Result<void> plan(const dockerfile::Label& label);
  Result<void> plan(const dockerfile::User& user);
  Result<void> plan(const dockerfile::Expose& expose);
  Result<void> plan(const dockerfile::Volume& volume);
  Result<void> plan(const dockerfile::Cmd& cmd);
  Result<void> plan(const dockerfile::Entrypoint& entrypoint);
  Result<void> plan(const dockerfile::Shell& shell);
  Result<void> plan(const dockerfile::StopSignal& signal);
  Result<void> plan(const dockerfile::Maintainer& maintainer);
  Result<void> plan(const dockerfile::Healthcheck& check);
  Result<void> plan(const dockerfile::Onbuild& trigger);
  Result<void> plan(const dockerfile::Run& run);
  Result<void> plan(const dockerfile::Workdir& workdir);
  Result<void> plan(const dockerfile::Copy& copy);

  // The instruction as people see it while it runs: variables that have a value are told by it, secrets are not.
  std::string title() const;
  // Ends an instruction: a step of that kind, with the configuration as it is now.
  void add(decltype(Step::what) what, std::string created_by);
  // One word expanded; errors point at it.
  Result<std::string> expand(std::string_view word);
  Result<std::string> expand_heredoc(std::string_view content);
  // EINVAL with line and caret.
  Error complain(std::string_view at, std::string_view words) const;
  Result<std::optional<CopyStep::Remote>> plan_remote(const dockerfile::Copy& copy, const std::string& written,
                                                      const std::string& source);
  Result<std::vector<RunStep::Mount>> plan_mounts(const std::vector<std::string>& written);
  Result<RunStep::Device> plan_device(const std::string& written) const;
  // What --from=NAME and from=NAME mean here.
  Origin origin(std::string_view name) const;
  std::vector<std::string> shell_argv(const std::string& text) const;
  std::vector<std::string> argv_of(const dockerfile::CommandLine& command) const;
  // `path` as seen from the working directory, cleaned: "/a/b", never with a slash at the end but for "/" itself. EINVAL, pointing at
  // `written`, for what can be no path.
  Result<std::string> absolute(std::string_view path, std::string_view written) const;
  std::string cwd() const { return config_.working_dir.empty() ? "/" : config_.working_dir; }

  const dockerfile::Dockerfile& file_;
  std::size_t stage_;
  const PlanOptions& options_;
  image::Config config_;
  StageArgs args_;
  bool cmd_set_ = false;
  std::vector<Step> steps_;

  // What is being planned right now, for complaints.
  const dockerfile::SourceText* source_;
  const dockerfile::Instruction* current_ = nullptr;
  char escape_;
  bool in_trigger_ = false;
};

}  // namespace acetate::build
