// A Dockerfile's text understood: split_lines(), parse_line() and the grammar of each instruction.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "builder/dockerfile/ast.h"
#include "builder/dockerfile/nodes.h"

namespace acetate::dockerfile {

// EINVAL; the words name the file and line, show the line and point at the place.
Result<Dockerfile> parse(std::string_view text, std::string name);

// One instruction of a stage, for ONBUILD triggers of a base image. FROM is none.
Result<Instruction> parse_instruction(const Node& node, const SourceText& source);

}  // namespace acetate::dockerfile
