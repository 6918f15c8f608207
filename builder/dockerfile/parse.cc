#include "builder/dockerfile/parse.h"

#include <algorithm>
#include <cctype>

#include "builder/dockerfile/flags.h"

namespace acetate::dockerfile {

namespace {

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return out;
}

bool is_stage_name(std::string_view name) {
  const auto fits = [](char c) {
    return std::islower(static_cast<unsigned char>(c)) != 0 || std::isdigit(static_cast<unsigned char>(c)) != 0 ||
           c == '-' || c == '_' || c == '.';
  };
  return !name.empty() && std::islower(static_cast<unsigned char>(name[0])) != 0 &&
         std::all_of(name.begin(), name.end(), fits);
}

// FROM [--platform=P] BASE [AS NAME]
Result<Stage> parse_from(const Node& node, const SourceText& source) {
  Stage stage{.place = node.place, .original = node.original};
  Flags flags(node, source);
  stage.platform = TRY(flags.value("platform"));
  TRY(flags.done());
  const auto& args = node.args;
  if (args.size() != 1 && args.size() != 3)
    return source.parse_error(node.place, node.rest, "FROM requires either one or three arguments: FROM image AS name");
  stage.base = args[0];
  if (args.size() == 1) return stage;
  if (lower(args[1]) != "as")
    return source.parse_error(node.place, args[1], "FROM requires either one or three arguments, the second being AS: FROM image AS name");
  stage.name = lower(args[2]);
  if (!is_stage_name(stage.name))
    return source.parse_error(node.place, args[2],
                              fmt::format("invalid name for build stage: \"{}\", name can't start with a number or contain symbols", args[2]));
  return stage;
}

}  // namespace

Result<Dockerfile> parse(std::string_view text, std::string name) {
  Lines lines = TRY(split_lines(text, std::move(name)));
  Dockerfile file{.source = std::move(lines.source),
                  .directives = std::move(lines.directives)};
  if (lines.lines.empty()) return fail(EINVAL, "the Dockerfile cannot be empty: {} is a file with no instructions", file.source.name);
  for (const Line& line : lines.lines) {
    const Node node = TRY(parse_line(line, file.source, file.directives.escape));
    if (node.keyword == "from") {
      file.stages.push_back(TRY(parse_from(node, file.source)));
      continue;
    }
    if (file.stages.empty() && node.keyword != "arg")
      return file.source.parse_error(line.place, node.original, "no build stage in current context: the first instruction must be FROM (or ARG)");
    auto& body = file.stages.empty() ? file.globals : file.stages.back().body;
    body.push_back(TRY(parse_instruction(node, file.source)));
  }
  if (file.stages.empty()) return fail(EINVAL, "dockerfile contains no stages to build: {} has no FROM", file.source.name);
  return file;
}

}  // namespace acetate::dockerfile
