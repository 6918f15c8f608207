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

  // WORDS, then "Dockerfile:3", the line, and carets below `at`, the first place where that text stands in `place`;
  // below the whole line when it stands nowhere or is empty. Always EINVAL. The words come first and begin as docker
  // build's do, because people and programs look for those.
  Error complain(Place place, std::string_view at, std::string_view words) const;

  // The same of what is no Dockerfile: "dockerfile parse error on line 3: WORDS".
  Error parse_error(Place place, std::string_view at, std::string_view words) const;

  // The lines of `place` with their numbers, for messages about a step that failed; at most `limit` of them.
  std::string excerpt(Place place, int limit = 12) const;
};

// A complaint taken apart again, for who tells it in another form; `line` is 0 when it is about none.
struct Complaint {
  std::string words;
  int line = 0;
};
Complaint read_complaint(const SourceText& source, std::string_view message);

}  // namespace acetate::dockerfile
