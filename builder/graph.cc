#include "builder/graph.h"

#include <algorithm>
#include <cctype>
#include <charconv>

#include "builder/dockerfile/mount.h"
#include "builder/dockerfile/suggest.h"
#include "layers/image/platform.h"

namespace acetate::build {

namespace {

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return out;
}

// "docker.io/library/alpine:latest" as "alpine".
std::string_view shorten(std::string_view name) {
  for (const std::string_view prefix : {"docker.io/library/", "docker.io/"}) {
    if (!name.starts_with(prefix)) continue;
    name.remove_prefix(prefix.size());
    break;
  }
  if (name.ends_with(":latest")) name.remove_suffix(7);
  return name;
}

// The last stage of that name before stage number `before`: where a name is given twice, the later wins.
std::optional<std::size_t> find_stage(const dockerfile::Dockerfile& file, std::string_view name, std::size_t before) {
  const std::string wanted = lower(name);
  for (std::size_t n = before; n-- > 0;)
    if (!file.stages[n].name.empty() && file.stages[n].name == wanted) return n;
  return std::nullopt;
}

std::optional<std::size_t> stage_number(std::string_view text, std::size_t before) {
  std::size_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || number >= before) return std::nullopt;
  return number;
}

std::vector<std::size_t> stages_used(const dockerfile::Dockerfile& file, const dockerfile::Instruction& instruction,
                                     std::size_t stage, const Strings& contexts) {
  std::vector<std::string> names;
  if (const auto* copy = std::get_if<dockerfile::Copy>(&instruction.what); copy != nullptr && copy->from)
    names.push_back(*copy->from);
  if (const auto* run = std::get_if<dockerfile::Run>(&instruction.what))
    for (const std::string& mount : run->mounts) names.push_back(dockerfile::mount_from(mount));
  std::vector<std::size_t> used;
  for (const std::string& name : names)
    if (const Origin from = resolve_from(file, name, stage, contexts); !name.empty() && from.kind == Origin::Kind::stage)
      used.push_back(from.stage);
  return used;
}

void need(const dockerfile::Dockerfile& file, const Graph& graph, const Strings& contexts, std::size_t stage,
          std::vector<bool>& seen) {
  if (seen[stage]) return;
  seen[stage] = true;
  if (graph.bases[stage].kind == Origin::Kind::stage) need(file, graph, contexts, graph.bases[stage].stage, seen);
  for (const dockerfile::Instruction& instruction : file.stages[stage].body)
    for (const std::size_t used : stages_used(file, instruction, stage, contexts)) need(file, graph, contexts, used, seen);
}

// " (did you mean TARGETARCH?)", where a variable that nobody set is nearly one that is.
std::string meant_variable(std::string_view text, const GlobalScope& scope, char escape) {
  std::string meant;
  const dockerfile::Lookup look = [&](std::string_view name) {
    auto value = scope.find(name);
    if (!value && meant.empty()) meant = dockerfile::did_you_mean(name, scope.names());
    return value;
  };
  return dockerfile::expand(text, look, {.escape = escape}) ? meant : std::string();
}

// What FROM --platform says; its variables are those of the global scope.
Result<image::Platform> platform_of(const dockerfile::Dockerfile& file, const dockerfile::Stage& stage, const GlobalScope& scope,
                                    const image::Platform& target) {
  if (!stage.platform) return target;
  const auto text = dockerfile::expand(*stage.platform, scope.lookup(), {.escape = file.directives.escape});
  if (!text) return file.source.complain(stage.place, *stage.platform, text.error().message());
  if (text->empty())
    return file.source.complain(stage.place, *stage.platform,
                                fmt::format("empty platform value from expression {}{}", *stage.platform, meant_variable(*stage.platform, scope, file.directives.escape)));
  auto platform = image::parse_platform(*text);
  if (!platform) return file.source.complain(stage.place, *stage.platform,
                                             fmt::format("failed to parse platform {}: {}{}", *stage.platform, platform.error().message(),
                                                         meant_variable(*stage.platform, scope, file.directives.escape)));
  return platform;
}

}  // namespace

std::string stage_name(const dockerfile::Dockerfile& file, std::size_t stage) {
  const std::string& name = file.stages[stage].name;
  return name.empty() ? fmt::format("stage-{}", stage) : name;
}

bool is_stage_to_come(const dockerfile::Dockerfile& file, std::string_view name, std::size_t stage) {
  return std::any_of(file.stages.begin() + static_cast<std::ptrdiff_t>(stage), file.stages.end(),
                     [wanted = lower(name)](const dockerfile::Stage& each) { return each.name == wanted; });
}

const std::string* find_context(const Strings& contexts, std::string_view name) {
  if (const auto exact = contexts.find(name); exact != contexts.end()) return &exact->second;
  for (const auto& [known, what] : contexts)
    if (shorten(known) == shorten(name)) return &what;
  return nullptr;
}

Origin resolve_from(const dockerfile::Dockerfile& file, std::string_view name, std::size_t before, const Strings& contexts) {
  if (find_context(contexts, name) != nullptr) return {Origin::Kind::image, 0, std::string(name)};
  if (const auto stage = find_stage(file, name, before)) return {Origin::Kind::stage, *stage};
  if (const auto stage = stage_number(name, before)) return {Origin::Kind::stage, *stage};
  if (name == "scratch") return {Origin::Kind::scratch};
  return {Origin::Kind::image, 0, std::string(name)};
}

Result<std::size_t> find_target(const dockerfile::Dockerfile& file, std::string_view target) {
  if (target.empty()) return file.stages.size() - 1;
  if (const auto stage = find_stage(file, target, file.stages.size())) return *stage;
  if (const auto stage = stage_number(target, file.stages.size())) return *stage;
  std::vector<std::string_view> names;
  for (const auto& stage : file.stages)
    if (!stage.name.empty()) names.push_back(stage.name);
  return fail(EINVAL, "target stage \"{}\" could not be found{} in {}", target, dockerfile::did_you_mean(target, names), file.source.name);
}

Result<Graph> make_graph(const dockerfile::Dockerfile& file, std::string_view target, const GlobalScope& scope,
                         const Strings& contexts, const image::Platform& platform) {
  Graph graph{.target = TRY(find_target(file, target))};
  for (std::size_t n = 0; n < file.stages.size(); ++n) {
    const dockerfile::Stage& stage = file.stages[n];
    auto base = dockerfile::expand(stage.base, scope.lookup(), {.escape = file.directives.escape});
    if (!base) return file.source.complain(stage.place, stage.base, base.error().message());
    graph.platforms.push_back(TRY(platform_of(file, stage, scope, platform)));
    if (find_context(contexts, *base) != nullptr) {
      graph.bases.push_back({Origin::Kind::image, 0, *std::move(base)});
    } else if (const auto earlier = find_stage(file, *base, n)) {
      graph.bases.push_back({Origin::Kind::stage, *earlier});
      graph.platforms.back() = graph.platforms[*earlier];
    } else if (const auto numbered = stage_number(*base, n)) {  // as buildah has it; no image is called so
      graph.bases.push_back({Origin::Kind::stage, *numbered});
      graph.platforms.back() = graph.platforms[*numbered];
    } else if (*base == "scratch") {
      graph.bases.push_back({Origin::Kind::scratch});
    } else {
      graph.bases.push_back({Origin::Kind::image, 0, *std::move(base)});
    }
  }
  std::vector<bool> seen(file.stages.size());
  need(file, graph, contexts, graph.target, seen);
  for (std::size_t n = 0; n < seen.size(); ++n) {
    if (!seen[n]) continue;
    // Complain of an empty name only where it is used: a pruned stage may lean on an ARG nobody gave.
    if (graph.bases[n].kind == Origin::Kind::image && graph.bases[n].image.empty())
      return file.source.complain(file.stages[n].place, file.stages[n].base,
                                  fmt::format("base name ({}) should not be blank; is its ARG declared before the first FROM, or "
                                              "given by --build-arg?",
                                              file.stages[n].base));
    graph.needed.push_back(n);
  }
  return graph;
}

}  // namespace acetate::build
