#include "builder/frontend.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "builder/dockerfile/lines.h"
#include "layers/image/reference.h"

namespace acetate::build {

namespace {

// Of a file that is JSON as a whole, but for a shebang.
std::optional<std::string> json_syntax(std::string_view text) {
  if (text.starts_with("#!")) text.remove_prefix(std::min(text.find('\n'), text.size()));
  const auto file = nlohmann::json::parse(text, nullptr, false);
  if (!file.is_object()) return std::nullopt;
  const auto syntax = file.find("syntax");
  if (syntax == file.end() || !syntax->is_string()) return std::nullopt;
  return syntax->get<std::string>();
}

std::string syntax_of(std::string_view text) {
  if (auto syntax = dockerfile::find_syntax(text)) return *std::move(syntax);
  return json_syntax(text).value_or("");
}

}  // namespace

std::optional<std::string> foreign_frontend(std::string_view text, const Strings& build_args) {
  const auto given = build_args.find("BUILDKIT_SYNTAX");
  const std::string wanted = given != build_args.end() ? given->second : syntax_of(text);
  if (wanted.empty()) return std::nullopt;
  // What stands behind the name is for the frontend itself.
  const auto reference = image::parse_reference(wanted.substr(0, wanted.find_first_of(" \t")));
  if (reference)
    for (const char* ours : {"docker/dockerfile", "docker/dockerfile-upstream"})
      if (reference->repository == ours || reference->repository.ends_with(std::string("/") + ours)) return std::nullopt;
  return wanted;
}

}  // namespace acetate::build
