#include "cli/kept_changes.h"

#include <fcntl.h>

#include <algorithm>
#include <ranges>
#include <set>

#include "base/sys/file.h"
#include "layers/layer_spec.h"
#include "layers/stack.h"

namespace acetate::cli {

namespace {

// A name that an opaque directory hides is deleted, unless it was made again.
Result<void> note_hidden(const Layer& below, const RelPath& dir, std::set<std::string>& hidden) {
  auto entry = walk(below, dir);
  if (!entry) return entry.error().is(ENOENT) || entry.error().is(ENOTDIR) ? Result<void>() : Result<void>(std::move(entry).error());
  const HeldNode held(below, entry->node);
  if (!entry->attr.is_dir()) return {};
  return below.list(held.get(), [&](const DirEntry& each) { return hidden.insert("/" + dir.child(each.name).str()), true; });
}

Result<bool> is_below(const Layer& below, const RelPath& path) {
  auto entry = walk(below, path);
  if (!entry) return entry.error().is(ENOENT) || entry.error().is(ENOTDIR) ? Result<bool>(false) : std::move(entry).error();
  const HeldNode held(below, entry->node);
  return true;
}

}  // namespace

Result<LayerPtr> tree_below(const image::Image& image) {
  std::vector<LayerPtr> layers;
  for (auto layer = image.layers.rbegin(); layer != image.layers.rend(); ++layer)
    layers.push_back(TRY_WITHIN(open_layer(layer->spec, default_index_dir()), "{}", layer->spec.path).layer);
  return make_stack(std::move(layers));
}

Result<std::vector<Change>> list_changes(const Kept& kept, const Layer& below) {
  Fd upper = TRY_WITHIN(sys::open(kept.upper(), O_RDONLY | O_DIRECTORY), "opening {}", kept.upper());
  std::vector<Change> changes;
  std::set<std::string> hidden, implicit;
  TRY(read_upper(std::move(upper), &below, [&](const DeltaOp& op, const FileView*) -> Result<void> {
    using Kind = DeltaOp::Kind;
    if (op.path.is_root()) return {};
    const std::string path = "/" + op.path.str();
    hidden.erase(path);
    if (op.kind == Kind::remove) return void(changes.push_back({'D', path})), Result<void>();
    if (op.kind == Kind::implicit_dir) implicit.insert(path);
    if (op.kind == Kind::opaque_dir) TRY(note_hidden(below, op.path, hidden));
    const bool was_there = op.kind == Kind::set_metadata || op.kind == Kind::implicit_dir ||
                           (op.kind != Kind::mkdir && TRY(is_below(below, op.path)));
    changes.push_back({was_there ? 'C' : 'A', path});
    return {};
  }, DeltaDepth::whole, kept.whiteout_files()));
  for (const std::string& path : hidden) changes.push_back({'D', path});
  std::ranges::sort(changes, {}, &Change::path);
  // A directory that only holds changes is one while there are any: mount points that were made for a run are gone again.
  const auto holds_any = [&](const std::string& dir) {
    const auto first = std::ranges::lower_bound(changes, dir + "/", {}, &Change::path);
    return first != changes.end() && first->path.starts_with(dir + "/");
  };
  for (const std::string& dir : implicit | std::views::reverse)  // what is below first
    if (!holds_any(dir)) std::erase_if(changes, [&](const Change& change) { return change.path == dir; });
  return changes;
}

}  // namespace acetate::cli
