// COPY and ADD planned.

#include "base/rel_path.h"
#include "builder/dockerfile/ignore.h"
#include "builder/fetch_http.h"
#include "builder/file_mode.h"
#include "builder/public_url.h"
#include "builder/stage_planner.h"

namespace acetate::build {

namespace {

bool means_directory(std::string_view dest) {
  return dest.ends_with('/') || dest == "." || dest == ".." || dest.ends_with("/.") || dest.ends_with("/..");
}

}  // namespace

// A source that is fetched; nothing for one that is copied.
Result<std::optional<CopyStep::Remote>> StagePlanner::plan_remote(const dockerfile::Copy& copy, const std::string& written,
                                                                  const std::string& source) {
  using Answer = std::optional<CopyStep::Remote>;
  const bool http = source.starts_with("http://") || source.starts_with("https://");
  auto git = parse_git_ref(source);
  if (!git) return complain(written, git.error().message());
  if (!*git && !http) return Answer();
  if (!copy.add) return complain(written, fmt::format("source can't be a {} for COPY; ADD fetches it", *git ? "git ref" : "URL"));
  CopyStep::Remote remote{.url = source, .git = *std::move(git), .unpack = copy.unpack.value_or(false)};
  if (copy.checksum) remote.checksum = TRY(expand(*copy.checksum));
  if (!remote.git) {
    if (name_in_url(source).find('\0') != std::string::npos) return complain(written, "the file behind the URL would have a zero byte in its name");
    if (!remote.checksum.empty() && !Digest::parse(remote.checksum))
      return complain("--checksum", fmt::format("invalid checksum digest format: \"{}\" is not sha256:… or sha512:…", remote.checksum));
    return Answer(std::move(remote));
  }
  if (!remote.checksum.empty() && !remote.git->checksum.empty() && remote.checksum != remote.git->checksum)
    return complain("--checksum", fmt::format("checksum mismatch \"{}\" != \"{}\", which is in the URL", remote.checksum, remote.git->checksum));
  if (const auto commit = check_commit(remote.checksum); !commit) return complain("--checksum", commit.error().message());
  if (!remote.checksum.empty()) remote.git->checksum = remote.checksum;
  remote.keep_git_dir = copy.keep_git_dir || remote.git->keep_git_dir.value_or(false);
  return Answer(std::move(remote));
}

Result<void> StagePlanner::plan(const dockerfile::Copy& copy) {
  const std::string_view name = copy.add ? "ADD" : "COPY";
  CopyStep step{.add = copy.add, .sources = {}, .dest = {}, .parents = copy.parents};
  step.link = copy.link && !copy.chmod;  // with --chmod BuildKit's does nothing

  std::string created_by(name);
  const auto flag = [&](std::string_view flag_name, const std::string& value) {
    created_by += fmt::format(" --{}={}", flag_name, value);
  };
  if (copy.from) {
    if (copy.from->find('$') != std::string::npos)
      return complain("--from", "variable expansion is not supported for --from, define a new stage with FROM using ARG from global scope as "
                                "a workaround: \"FROM $IMAGE AS name\"");
    step.from = origin(*copy.from);
    if (step.from->kind == Origin::Kind::image && is_stage_to_come(file_, *copy.from, stage_))
      return complain(*copy.from, fmt::format("cannot copy from stage \"{}\", it needs to be defined before current stage \"{}\"", *copy.from,
                                              stage_name(file_, stage_)));
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
    created_by += " " + without_users(source);  // a history is public
    if (auto remote = TRY(plan_remote(copy, written, source))) step.remotes.push_back(*std::move(remote));
    else step.sources.push_back(std::move(source));
  }
  if (copy.checksum && (step.remotes.size() != 1 || !step.sources.empty()))
    return complain("--checksum", step.remotes.empty() ? "checksum requires HTTP(S) or Git sources" : "checksum can't be specified for multiple sources");
  for (const dockerfile::Heredoc& heredoc : copy.inline_files) {
    // Its name is that of a file in an empty directory, whose root ".." does not leave.
    const auto path = RelPath::parse_clamped(heredoc.name);
    if (!path || path->is_root()) return complain(heredoc.name, fmt::format("the here-document \"{}\" has the name of no file", heredoc.name));
    CopyStep::InlineFile file{path->str(), heredoc.content};
    if (heredoc.expand) file.content = TRY(expand_heredoc(heredoc.content));
    created_by += " <<" + heredoc.name;
    step.inline_files.push_back(std::move(file));
  }

  const std::string dest = TRY(expand(copy.dest));
  step.dest = TRY(absolute(dest, copy.dest));
  if (means_directory(dest) && !step.dest.ends_with('/')) step.dest += '/';
  step.unpack = copy.unpack.value_or(copy.add && !copy.from);
  created_by += " " + dest + " # buildkit";
  add(std::move(step), std::move(created_by));
  return {};
}

}  // namespace acetate::build
