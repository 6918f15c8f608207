// Answers about a Dockerfile, for who wants to know and not to build: `acetate build --call`. Nothing is fetched, no step runs.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "builder/build.h"
#include "builder/dockerfile/lint.h"
#include "builder/outline.h"

namespace acetate::build {

// What had better not be done in it. Of a file that no build would begin with, what was found up to the mistake, and the mistake:
// it does not parse, a FROM means nothing, or "check=error=true" wants no warning.
struct CheckReport {
  std::vector<dockerfile::LintWarning> warnings;
  dockerfile::SourceText source;
  std::string text;  // the file
  std::optional<std::string> mistake = {};
  bool clean() const { return warnings.empty() && !mistake; }
};
// Of all stages, or of those that --target needs.
Result<CheckReport> check(const BuildOptions& options);

struct OutlineReport {
  Outline outline;
  std::string text;
};
Result<OutlineReport> outline(const BuildOptions& options);

struct TargetsReport {
  std::vector<Target> targets;
  std::string text;
};
Result<TargetsReport> targets(const BuildOptions& options);

}  // namespace acetate::build
