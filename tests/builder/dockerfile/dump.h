// The syntax tree of a Dockerfile as an S-expression, a line for each instruction, in the form that BuildKit's parser tests have on file:
//   (copy ["--from=a" "--link"] "b" "c")
// Strings are quoted as Go quotes them.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "builder/dockerfile/nodes.h"

namespace acetate::dockerfile {

// Every line with its newline. EINVAL with the parser's words.
Result<std::string> dump(std::string_view text);

std::string go_quoted(std::string_view text);

}  // namespace acetate::dockerfile
