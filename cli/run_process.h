// What `acetate run` starts: an image's configuration and the command line, put together as the OCI image
// specification's conversion.md has it.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "builder/sandbox/spec.h"
#include "cli/run_options.h"
#include "layers/image/image.h"

namespace acetate::cli {

// The words behind the options. One word is an image and the rest the command; several sources are closed by
// "--". Since a command may have a "--" of its own, words before it are sources only if all of them are there
// (`exists`); one directly behind the image is always ours.
struct RunWords {
  std::vector<std::string> sources;
  std::vector<std::string> command;
};
Result<RunWords> split_run_words(std::vector<std::string> words,
                                 const std::function<bool(const std::string&)>& exists);

// Our environment, as far as it is asked for: one variable, or all of it as "K=V".
struct OurEnvironment {
  std::function<std::optional<std::string>(const std::string& name)> get;
  std::function<std::vector<std::string>()> all = {};
};

// What is to run, but for its root file system, its user and its mounts. EINVAL with words.
Result<sandbox::Spec> describe_process(const image::Config& config, const RunOptions& options,
                                       const std::vector<std::string>& command, const OurEnvironment& ours);

// What the files of --label-file say goes before the labels that were typed. Each is read once: it may be a pipe. EINVAL with words.
Result<void> read_label_files(RunOptions& options);
// EINVAL with words.
Result<std::vector<std::pair<std::string, std::string>>> parse_labels(const RunOptions& options);

// --platform, or what its parts come to with this machine's for the others; empty: this machine's. EINVAL with words.
Result<std::string> whole_platform(const RunOptions& options);

// Who it runs as; and HOME, where neither image nor command line set it.
void set_user(sandbox::Spec& spec, const sandbox::User& user);

}  // namespace acetate::cli
