#include "builder/frontend.h"

#include "layers/image/reference.h"

namespace acetate::build {

std::optional<std::string> foreign_frontend(const dockerfile::Directives& directives, const Strings& build_args) {
  const auto given = build_args.find("BUILDKIT_SYNTAX");
  const std::string wanted = given != build_args.end() ? given->second : directives.syntax.value_or("");
  if (wanted.empty()) return std::nullopt;
  // What stands behind the name is for the frontend itself.
  const auto reference = image::parse_reference(wanted.substr(0, wanted.find_first_of(" \t")));
  if (reference)
    for (const char* ours : {"docker/dockerfile", "docker/dockerfile-upstream"})
      if (reference->repository == ours || reference->repository.ends_with(std::string("/") + ours)) return std::nullopt;
  return wanted;
}

}  // namespace acetate::build
