#include "builder/explain.h"

#include <fmt/format.h>

#include <algorithm>

#include "layers/stack.h"

namespace acetate::build {

namespace {

// "/a, /b and 3 more"
std::string list(const std::vector<std::string>& paths) {
  constexpr std::size_t kMost = 8;
  std::string text;
  for (std::size_t n = 0; n < std::min(paths.size(), kMost); ++n) text += (n == 0 ? "" : ", ") + paths[n];
  if (paths.size() > kMost) text += fmt::format(" and {} more", paths.size() - kMost);
  return text;
}

}  // namespace

Result<std::vector<std::string>> own_paths(const AccessedPaths& paths, const StageState& before, LayerOpener& layers) {
  std::vector<LayerPtr> top_to_bottom;
  for (std::size_t n = before.layers.size(); n > before.base_layers; --n)
    top_to_bottom.push_back(TRY(layers.open(before.layers[n - 1].spec, before.layers[n - 1].diff_id)));
  const LayerPtr own = TRY(make_stack(std::move(top_to_bottom)));
  std::vector<std::string> found;
  for (const auto& [path, how] : paths) {
    if (path.empty() || (how & (kOpened | kListed)) == 0) continue;
    const auto entry = walk(*own, TRY(RelPath::parse(path)));
    if (!entry && (entry.error().is(ENOENT) || entry.error().is(ENOTDIR))) continue;
    if (!entry) return entry.error().clone().within("/" + path);
    const HeldNode held(*own, entry->node);
    // One that only holds what was made is the base's.
    if (entry->attr.is_dir() && (how & kListed) == 0) continue;
    found.push_back("/" + path + (entry->attr.is_dir() ? "/" : ""));
  }
  return found;
}

std::string tell_reads(const std::vector<std::string>& own) {
  if (own.empty()) return "it read nothing of what this build's steps have made";
  return fmt::format("of what this build's steps have made it read {}", list(own));
}

std::string tell_way_out(const std::vector<std::string>& own) {
  std::string text = "all that it looked at last time is unchanged: with RUN --network=none, or --trace-cache=on, it would be cached";
  if (own.empty()) return text + "; so it would before the steps above that have changed";
  return text + fmt::format("; so it would if {} were copied before it and the rest after it", list(own));
}

}  // namespace acetate::build
