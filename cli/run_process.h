// What `acetate run` starts: an image's configuration and the command line, put together as the OCI image
// specification's conversion.md has it.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "builder/sandbox/spec.h"
#include "layers/image/image.h"

namespace acetate::cli {

// As typed; "" and empty lists are "not given".
struct RunOptions {
  std::vector<std::string> env, volumes, cap_add, cap_drop;
  std::optional<std::string> entrypoint, user;
  std::string workdir, hostname, keep, platform;
  std::string network = "host";
  bool remove = true;  // what happens anyway
  bool read_only = false, init = false, interactive = false, terminal = false, verbose = false;
};

// The words behind the options. One word is an image and the rest the command; several sources are closed by
// "--". Since a command may have a "--" of its own, words before it are sources only if all of them are there
// (`exists`); one directly behind the image is always ours.
struct RunWords {
  std::vector<std::string> sources;
  std::vector<std::string> command;
};
Result<RunWords> split_run_words(std::vector<std::string> words,
                                 const std::function<bool(const std::string&)>& exists);

// Everything but the root file system and the user. EINVAL with words.
using Getenv = std::function<std::optional<std::string>(const std::string& name)>;
Result<sandbox::Spec> describe_process(const image::Config& config, const RunOptions& options,
                                       const std::vector<std::string>& command, const Getenv& getenv);

// Who it runs as; and HOME, where neither image nor command line set it.
void set_user(sandbox::Spec& spec, const sandbox::User& user);

// "SOURCE:TARGET[:ro|rw|z|Z,…]". A relative source must begin with '.'; bare names would be named volumes, which
// there are none of.
Result<sandbox::MountPoint> parse_volume(const std::string& text, const std::string& working_dir);

// "chown" and "CAP_CHOWN" are the same, "ALL" is every one. EINVAL with words for names that are none.
Result<std::vector<std::string>> change_capabilities(std::vector<std::string> list,
                                                     const std::vector<std::string>& add,
                                                     const std::vector<std::string>& drop);

}  // namespace acetate::cli
