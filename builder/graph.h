// Which stages a target needs, and in which order: a Dockerfile pruned.
//
// Stages may use earlier stages only, so the file's order is a valid one. ONBUILD triggers of a base image can
// add an edge later (COPY --from); those stages are then built on demand.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "builder/dockerfile/ast.h"
#include "builder/variables.h"

namespace acetate::build {

// Where a root file system comes from: an earlier stage, an image, or nothing.
struct Origin {
  enum class Kind { scratch, stage, image } kind = Kind::scratch;
  std::size_t stage = 0;
  std::string image = {};
  bool operator==(const Origin&) const = default;
};

struct Graph {
  std::size_t target = 0;
  std::vector<Origin> bases;          // of each stage of the file, expanded
  std::vector<image::Platform> platforms = {};  // of each: what FROM --platform says, the base stage's, or the target's
  std::vector<std::size_t> needed;    // in the order to build them; the target is the last
};

// EINVAL with line and caret: an unknown --target (with the nearest name), a FROM that expands to nothing, a platform that is none. `contexts`:
// --build-context, whose names go before stages and images; `platform`: what is built for.
Result<Graph> make_graph(const dockerfile::Dockerfile& file, std::string_view target, const GlobalScope& scope,
                         const Strings& contexts = {}, const image::Platform& platform = image::host_platform());

// Which stage --target means: a name, a number, "" for the last.
Result<std::size_t> find_target(const dockerfile::Dockerfile& file, std::string_view target);

// What `--from=NAME` in stage number `before` means: a named context, an earlier stage by name or number, else an image.
Origin resolve_from(const dockerfile::Dockerfile& file, std::string_view name, std::size_t before, const Strings& contexts = {});

// The named context that `name` means, spelt as docker shortens names: "alpine" is "docker.io/library/alpine:latest" too.
// Null when there is none.
const std::string* find_context(const Strings& contexts, std::string_view name);

// Whether stage number `stage` or one after it has that name: what cannot be copied from yet.
bool is_stage_to_come(const dockerfile::Dockerfile& file, std::string_view name, std::size_t stage);

// "build", or "stage-2" for a stage without a name.
std::string stage_name(const dockerfile::Dockerfile& file, std::size_t stage);

}  // namespace acetate::build
