// The text of a Dockerfile as it was typed, kept so that every complaint can show the line it is about.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace acetate::dockerfile {

// Lines of the file, from 1, both included.
struct Place {
  int first = 0;
  int last = 0;
  auto operator<=>(const Place&) const = default;
};

struct SourceText {
  std::string name;                // "Dockerfile", as the user gave it
  std::vector<std::string> lines;  // without their ends

  // "Dockerfile:3: WORDS", the line, and carets below `at`, the first place where that text stands in `place`;
  // below the whole line when it stands nowhere or is empty. Always EINVAL.
  Error complain(Place place, std::string_view at, std::string_view words) const;

  // The lines of `place` with their numbers, for messages about a step that failed; at most `limit` of them.
  std::string excerpt(Place place, int limit = 12) const;
};

}  // namespace acetate::dockerfile
