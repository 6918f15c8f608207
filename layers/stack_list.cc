// Listing a merged directory: each name once, from the topmost layer that says anything about it.
#include <memory_resource>
#include <string>
#include <unordered_set>

#include "layers/stack_layer.h"

namespace acetate::stack {

Result<bool> StackLayer::tell(Part dir, const DirEntry& entry,
                              const std::function<bool(const DirEntry&)>& each) const {
  if (entry.marker == Marker::whiteout) return true;
  DirEntry told = entry;
  told.marker = Marker::none;
  if (entry.marker != Marker::link_to) {
    told.ino = unique_ino(dir.layer, entry.ino);
    return each(told);
  }
  // Another name of a lower layer's file: its type and number are that file's.
  const Entry link = TRY(layer(dir).lookup(dir.node, entry.name));
  const HeldNode held(layer(dir), link.node);
  int redirects = 0;
  const auto target = resolve_link({dir.layer, link.node}, redirects);
  if (!target) {
    if (target.error().is(ENOENT)) return true;
    return target.error().clone();
  }
  told.type = dirent_type(target->attr.mode);
  told.ino = target->attr.ino;
  return each(told);
}

Result<void> StackLayer::list(Node dir, const std::function<bool(const DirEntry&)>& each) const {
  Part single;
  const std::span<const Part> dirs = parts_of(dir, single);
  return list_merged(dirs, each);
}

Result<void> StackLayer::list_merged(std::span<const Part> dirs,
                                     const std::function<bool(const DirEntry&)>& each) const {
  if (dirs.back().only_describes) dirs = dirs.first(dirs.size() - 1);
  std::pmr::monotonic_buffer_resource memory;
  std::pmr::unordered_set<std::pmr::string> seen(&memory);  // each heap block it takes is one of many names
  std::optional<Error> failure;
  bool wants_more = true;

  for (std::size_t i = 0; i < dirs.size() && wants_more; ++i) {
    const bool is_first = i == 0;
    const bool is_last = i + 1 == dirs.size();
    TRY(layer(dirs[i]).list(dirs[i].node, [&](const DirEntry& entry) {
      // Nobody asks what the last layer showed, and nothing was shown before the first.
      if (!is_last) {
        if (!seen.emplace(entry.name).second) return true;
      } else if (!is_first && seen.contains(std::pmr::string(entry.name, &memory))) {
        return true;
      }
      auto told = tell(dirs[i], entry, each);
      if (!told) failure = std::move(told).error();
      wants_more = told && *told;
      return wants_more;
    }));
    if (failure) return *std::move(failure);
  }
  return {};
}

}  // namespace acetate::stack
