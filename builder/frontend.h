// "# syntax=IMAGE", "// syntax=IMAGE", {"syntax": "IMAGE"}: BuildKit runs that image to read the file. Ours does not: it is a stranger's program with the build's rights.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "builder/variables.h"

namespace acetate::build {

// The frontend that was asked for by the file, or by the build argument BUILDKIT_SYNTAX, which counts before it; nothing where it is
// docker's own of any version, from whatever registry, or none was.
std::optional<std::string> foreign_frontend(std::string_view text, const Strings& build_args);

}  // namespace acetate::build
