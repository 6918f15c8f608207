// acetate build --call: what is asked about a Dockerfile, and the answer as text or JSON. Both are buildx's, so that tools which read
// them go on working.
#pragma once

#include <iosfwd>
#include <string>

#include "base/result.h"
#include "builder/build.h"

namespace acetate::cli {

struct Call {
  enum class Question { none, check, outline, targets, questions } question = Question::none;
  bool json = false;
};

// "build" (which asks nothing), "check" or "lint", "outline", "targets", "subrequests.describe" (what can be asked), each with ",format=text" or ",format=json". EINVAL with words.
Result<Call> parse_call(const std::string& text);

// Whether all is well: only a check can say no.
Result<bool> answer(const Call& call, const build::BuildOptions& build, std::ostream& out);

}  // namespace acetate::cli
