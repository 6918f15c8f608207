// Logical lines taken apart into keyword, flags and arguments, each instruction by its own grammar; nothing is
// understood yet. The shape is that of BuildKit's syntax tree, so that its test data can be held against ours.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "builder/dockerfile/lines.h"

namespace acetate::dockerfile {

struct Node {
  Place place;
  std::string keyword;              // in lower case
  std::vector<std::string> flags;   // "--name=value", unquoted
  std::vector<std::string> args;    // ENV and LABEL: name, value, separator ("=" or "") again and again
  bool json = false;                // args came from the exec form
  std::string rest;                 // what followed keyword and flags, as written
  std::string original;             // the whole logical line
  std::vector<Heredoc> heredocs;
  std::vector<Node> trigger;        // of ONBUILD: one node
};

// EINVAL with line and caret: an unknown instruction, one without what it needs, an exec form that holds
// something else than strings.
Result<Node> parse_line(const Line& line, const SourceText& source, char escape);

// The instructions there are, in upper case.
const std::vector<std::string_view>& keywords();

}  // namespace acetate::dockerfile
