// What stands at a name, when many layers have a say: one loop with named stops, and the two ways by which an
// entry points into the layers below its own (a hard link to a file of theirs, the kernel overlay's
// redirect).
#include "base/log.h"
#include "layers/stack_layer.h"

namespace acetate::stack {

// Another place to go on at: directories of lower layers, and the name to look for in them.
struct StackLayer::Below {
  std::string name;
  bool is_sibling;  // the directories stay the same, and `dirs` is empty
  Parts dirs;
};

Result<Merged> StackLayer::find(std::span<const Part> dirs, std::string_view name, int& redirects,
                                Memory memory) const {
  Merged merged(*this);
  bool is_described = false;   // one of its parts has an entry of its own
  bool starts_afresh = false;  // what comes now contributes no entries
  // After a redirect, what `dirs` and `name` look at.
  Parts elsewhere(*this);
  std::string other_name;

  while (!dirs.empty()) {
    const Part dir = dirs.front();
    if (dir.only_describes) break;
    dirs = dirs.subspan(1);
    auto found = layer(dir).lookup(dir.node, name);

    // Absent: the next layer may have it.
    if (!found) {
      if (found.error().is(ENOENT)) continue;
      return std::move(found).error();
    }

    // A whiteout: nothing below shows.
    if (found->marker == Marker::whiteout) break;
    Parts here(*this);
    const Part part{dir.layer, found->node};
    here.adopt(part);

    // Something else below a directory: the directory hides it, and what is below it.
    if (!found->attr.is_dir() && !merged.parts.empty()) break;

    // The first is no directory: it is the answer, alone.
    if (!found->attr.is_dir()) {
      if (found->marker == Marker::link_to) return resolve_link(part, redirects);
      merged.parts = std::move(here);
      merged.attr = unique(part.layer, found->attr);
      if (found->marker == Marker::metacopy) TRY(add_data(merged, dirs, name, redirects));
      return merged;
    }

    // Whoever empties a directory that it has no entry for leaves it as it is otherwise: its mode, its owner.
    if (starts_afresh) {
      if (found->attr.is_implied) continue;
      Part below = here.release_last();
      below.only_describes = true;
      merged.parts.adopt(below);
      break;
    }

    // A directory below one that starts afresh does not show. Asked only now, because a layer may have to go
    // to the disk to know, and most directories have nothing below them.
    if (!merged.parts.empty()) {
      const Part above = merged.parts.all().back();
      if (TRY(layer(above).is_opaque(above.node))) break;
    } else {
      merged.attr = unique(part.layer, found->attr);
      if (memory == Memory::look) merged.known = table_.find(part);
      if (merged.known) return merged;
    }
    merged.parts.adopt(here.release_last());
    is_described |= !found->attr.is_implied;
    if (found->marker == Marker::opaque) {
      if (is_described) break;
      starts_afresh = true;
      continue;
    }

    if (auto below = TRY(redirected(part, redirects)); below) {
      name = other_name = std::move(below->name);
      if (!below->is_sibling) {
        elsewhere = std::move(below->dirs);
        dirs = elsewhere.all();
      }
    }
  }
  if (merged.parts.empty()) return Error(ENOENT);
  return merged;
}

Result<std::optional<StackLayer::Below>> StackLayer::redirected(Part part, int& redirects) const {
  if (part.layer + 1 >= layers_.size()) return std::optional<Below>();
  auto target = TRY(layer(part).redirect(part.node));
  if (!target) return std::optional<Below>();
  if (++redirects > kMostRedirects)
    return fail(ELOOP, "more than {} overlay redirects, one after another", kMostRedirects);

  Below below{.name = {}, .is_sibling = !target->starts_with('/'), .dirs = Parts(*this)};
  if (below.is_sibling) {
    if (!RelPath::is_name(*target)) return fail(EIO, "overlay redirect '{}' is no name", *target);
    below.name = *std::move(target);
    return std::optional<Below>(std::move(below));
  }
  auto path = RelPath::parse(*target);
  if (!path || path->is_root()) return fail(EIO, "overlay redirect '{}' leads nowhere", *target);
  below.name = std::string(path->name());
  auto parent = walk_below(part.layer + 1, path->parent(), redirects);
  if (parent) {
    if (parent->attr.is_dir()) below.dirs = std::move(parent->parts);
  } else if (!parent.error().is(ENOENT) && !parent.error().is(ENOTDIR)) {
    return std::move(parent).error();
  }
  return std::optional<Below>(std::move(below));
}

// Precondition: `metacopy` has one part. Without any data it stays so, and its layer refuses to open it.
Result<void> StackLayer::add_data(Merged& metacopy, std::span<const Part> dirs_below, std::string_view name,
                                  int& redirects) const {
  const auto below = TRY(redirected(metacopy.parts.all().front(), redirects));
  if (below) name = below->name;
  if (below && !below->is_sibling) dirs_below = below->dirs.all();
  auto data = find(dirs_below, name, redirects, Memory::ignore);
  if (!data) {
    if (data.error().is(ENOENT)) return {};
    return std::move(data).error();
  }
  if (!data->attr.is_regular()) return {};
  metacopy.attr.blocks = data->attr.blocks;
  metacopy.parts.adopt(data->parts.release_last());
  return {};
}

Result<Merged> StackLayer::resolve_link(Part link, int& redirects) const {
  const std::string target = TRY(layer(link).link_target(link.node));
  const RelPath path = TRY_WITHIN(RelPath::parse_clamped(target), "hard link to '{}'", target);
  auto found = walk_below(link.layer + 1, path, redirects);
  // A link to what is not there is not there either, and still hides what is below it.
  if (!found) return found.error().is(ENOTDIR) ? Error(ENOENT) : std::move(found).error();
  if (found->attr.is_dir()) return Error(ENOENT);
  return found;
}

Result<Parts> StackLayer::roots_from(std::uint32_t first) const {
  Parts roots(*this);
  bool is_described = false, starts_afresh = false;  // as in find()
  for (std::uint32_t i = first; i < layers_.size(); ++i) {
    const Node root = layers_[i]->root();
    const bool is_implied = layers_[i]->implies_directories() && TRY(layers_[i]->attr(root)).is_implied;
    if (starts_afresh && is_implied) continue;
    layers_[i]->hold(root);
    roots.adopt({i, root, starts_afresh});
    is_described |= !is_implied;
    if (starts_afresh || (root_is_opaque_[i] && is_described)) break;
    starts_afresh = root_is_opaque_[i];
  }
  if (roots.empty()) return Error(ENOENT);
  return roots;
}

Result<Merged> StackLayer::walk_below(std::uint32_t first, const RelPath& path, int& redirects) const {
  Merged at(*this);
  at.parts = TRY(roots_from(first));
  const Part top = at.parts.all().front();
  at.attr = unique(top.layer, TRY(layer(top).attr(top.node)));
  for (const std::string_view name : path.components()) {
    if (!at.attr.is_dir()) return Error(ENOTDIR);
    at = TRY(find(at.parts.all(), name, redirects, Memory::ignore));
  }
  return at;
}

}  // namespace acetate::stack
