// What a Dockerfile can be asked without building anything: which stages it has, and what may be given to the build of one.
// The answers of `docker buildx build --call`.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "builder/base_image.h"
#include "builder/dockerfile/ast.h"
#include "builder/graph.h"

namespace acetate::build {

struct Outline {
  struct Argument {
    std::string name;
    std::string value;        // as the build would have it; "" without one
    std::string description;  // the comment above it, "# NAME …"
    dockerfile::Place place;
  };
  struct Need {
    std::string name;
    bool required;
    dockerfile::Place place;
  };
  std::string name, description;  // of the stage
  // In the order of the file: the ARGs of the stages that are built, those before the first FROM that anything uses; secrets and
  // agents that their RUNs ask for.
  std::vector<Argument> arguments;
  std::vector<Need> secrets, agents;
};

// `graph`: of the target. An ARG whose default does not expand has none. Of a base image that is not here nobody knows its ENV.
Result<Outline> outline(const dockerfile::Dockerfile& file, const dockerfile::Lines& lines, const Graph& graph, const GlobalScope& scope,
                        const Strings& build_args, BaseImages& bases);

struct Target {
  std::string name, description;
  std::string base, platform;  // as written
  bool is_default;             // what is built when nothing else is asked for
  dockerfile::Place place;
};
std::vector<Target> targets(const dockerfile::Dockerfile& file, const dockerfile::Lines& lines);

}  // namespace acetate::build
