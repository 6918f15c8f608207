// What a Dockerfile does that works and had better not be done: the checks of `docker build --check`, by the same names and in
// the same words, so that "# check=skip=NAME" means the same everywhere.
#pragma once

#include <functional>
#include <map>
#include <optional>
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
  std::string_view description() const;  // of the rule
  std::string url() const;               // where docker's documentation explains the rule; "" where it does not
};

// "skip=A,B;experimental=C;error=true", of the directive "# check=", of such a comment before one instruction, and of
// --build-arg BUILDKIT_DOCKERFILE_CHECK.
struct LintOptions {
  std::set<std::string, std::less<>> skip = {};
  std::set<std::string, std::less<>> experimental = {};  // rules that are off unless named
  bool skip_all = false;
  bool experimental_all = false;
  bool error = false;  // a warning fails the build
};
// EINVAL with words.
Result<LintOptions> parse_check(std::string_view text);

// What is known of the image that a FROM names.
struct BaseFacts {
  std::vector<std::string> env;  // "K=V"
  std::string platform;          // "linux/amd64"
};

// What some checks need besides the file.
struct LintSurroundings {
  const IgnoreRules* ignore = nullptr;
  std::map<std::string, std::string, std::less<>> build_args = {};
  std::string platform = {};  // that is built for
  // The stages that are built, in the order of the file; of the others only what the file's form shows is told. Absent: all are.
  std::optional<std::vector<std::size_t>> built = {};
  // Nothing for an image that is not here. Of its variables nobody knows then, and one is called undefined only when it has the
  // letters of one that is defined, in another order.
  std::function<std::optional<BaseFacts>(const std::string& image, const std::string& platform)> find_base = {};
};

// In the order of the file. Of a file that does not parse, what was found up to there.
std::vector<LintWarning> lint(const Lines& lines, const LintSurroundings& around, const LintOptions& options);

// As `--check` shows one: rule, sentence, place, the lines.
std::string format_warning(const LintWarning& warning, const SourceText& source);

}  // namespace acetate::dockerfile
