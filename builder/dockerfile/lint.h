// What a Dockerfile does that works and had better not be done: the checks of `docker build --check` that need nothing but the
// file and its .dockerignore, by the same names and in the same words, so that "# check=skip=NAME" means the same everywhere.
#pragma once

#include <functional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "builder/dockerfile/ignore.h"
#include "builder/dockerfile/nodes.h"
#include "builder/dockerfile/words.h"

namespace acetate::dockerfile {

struct LintWarning {
  std::string rule;
  std::string text;
  Place place;
  std::string url() const;  // where docker's documentation explains the rule
};

// "skip=A,B;error=true", of the directive "# check=" and of --build-arg BUILDKIT_DOCKERFILE_CHECK.
struct LintOptions {
  std::set<std::string, std::less<>> skip = {};
  bool skip_all = false;
  bool error = false;  // a warning fails the build
};
// EINVAL with words.
Result<LintOptions> parse_check(std::string_view text);

// In the order of the file. A file that does not parse has no warnings: its error says more.
std::vector<LintWarning> lint(const Lines& lines, const IgnoreRules& ignore, const LintOptions& options);

// As `--check` shows one: rule, sentence, place, the lines.
std::string format_warning(const LintWarning& warning, const SourceText& source);

}  // namespace acetate::dockerfile
