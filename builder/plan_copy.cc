// COPY and ADD planned.

#include "builder/dockerfile/ignore.h"
#include "builder/file_mode.h"
#include "builder/stage_planner.h"

namespace acetate::build {

namespace {

bool is_remote(std::string_view source) {
  for (const std::string_view scheme : {"http://", "https://", "ftp://", "git://", "ssh://", "git@"})
    if (source.starts_with(scheme)) return true;
  return false;
}

bool means_directory(std::string_view dest) {
  return dest.ends_with('/') || dest == "." || dest == ".." || dest.ends_with("/.") || dest.ends_with("/..");
}

}  // namespace

Result<void> StagePlanner::plan(const dockerfile::Copy& copy) {
  const std::string_view name = copy.add ? "ADD" : "COPY";
  CopyStep step{.add = copy.add, .sources = {}, .dest = {}, .parents = copy.parents};
  if (copy.checksum) return not_yet("--checksum", "ADD --checksum (which is for remote sources)");
  if (copy.keep_git_dir) return not_yet("--keep-git-dir", "ADD --keep-git-dir (which is for git sources)");

  std::string created_by(name);
  const auto flag = [&](std::string_view flag_name, const std::string& value) {
    created_by += fmt::format(" --{}={}", flag_name, value);
  };
  if (copy.from) {
    if (copy.from->find('$') != std::string::npos)
      return complain("--from", "variables are not expanded in --from; give the stage a name of its own by "
                                "\"FROM $IMAGE AS name\" and copy from that");
    step.from = origin(*copy.from);
    flag("from", *copy.from);
  }
  if (copy.chown) {
    step.chown = TRY(expand(*copy.chown));
    flag("chown", step.chown);
  }
  if (copy.chmod) {
    step.chmod = TRY(expand(*copy.chmod));
    if (auto mode = ModeChange::parse(step.chmod); !mode) return complain(*copy.chmod, mode.error().message());
    flag("chmod", step.chmod);
  }
  for (const std::string& written : copy.excludes) {
    step.excludes.push_back(TRY(expand(written)));
    if (auto rules = dockerfile::IgnoreRules::parse(step.excludes.back()); !rules)
      return complain(written, rules.error().message());
    flag("exclude", step.excludes.back());
  }
  for (const std::string& written : copy.sources) {
    std::string source = TRY(expand(written));
    if (copy.add && is_remote(source)) return not_yet(written, fmt::format("ADD from {}", source));
    created_by += " " + source;
    step.sources.push_back(std::move(source));
  }
  for (const dockerfile::Heredoc& heredoc : copy.inline_files) {
    CopyStep::InlineFile file{heredoc.name, heredoc.content};
    if (heredoc.expand) file.content = TRY(expand_heredoc(heredoc.content));
    created_by += " <<" + heredoc.name;
    step.inline_files.push_back(std::move(file));
  }

  const std::string dest = TRY(expand(copy.dest));
  step.dest = join_path(cwd(), dest);
  if (means_directory(dest) && !step.dest.ends_with('/')) step.dest += '/';
  if (step.sources.size() + step.inline_files.size() > 1 && !step.dest.ends_with('/'))
    return complain(copy.dest, fmt::format("with more than one source, the destination of {} must be a directory and "
                                           "end with a /", name));
  step.unpack = copy.unpack.value_or(copy.add && !copy.from);
  created_by += " " + dest + " # buildkit";
  add(std::move(step), std::move(created_by));
  return {};
}

}  // namespace acetate::build
