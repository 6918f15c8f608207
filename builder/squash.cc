#include "builder/squash.h"

#include <map>

#include "builder/base_state.h"
#include "builder/layer_file.h"
#include "layers/delta.h"
#include "layers/first_names.h"
#include "layers/stack.h"

namespace acetate::build {

namespace {

using Kind = DeltaOp::Kind;

// Which paths the layers concern, and of each whether what the base has there was hidden at some time: whatever came after that stands
// on nothing.
using Touched = std::map<RelPath, bool>;

Result<Touched> touched_by(const std::vector<LayerPtr>& bottom_up, std::size_t base) {
  Touched touched;
  for (std::size_t n = base; n < bottom_up.size(); ++n) {
    const LayerPtr below = TRY(make_stack({bottom_up.rend() - static_cast<std::ptrdiff_t>(n), bottom_up.rend()}));
    TRY(read_upper(bottom_up[n], below.get(),
                   [&](const DeltaOp& op, const FileView*) -> Result<void> {
                     const bool hides = op.kind != Kind::implicit_dir && op.kind != Kind::set_metadata;
                     touched[op.path] = touched[op.path] || hides;
                     return {};
                   },
                   DeltaDepth::without_content));
  }
  return touched;
}

Result<std::optional<Entry>> entry_at(const Layer& tree, const RelPath& path) {
  auto found = walk(tree, path);
  if (found) return std::optional<Entry>(*found);
  if (found.error().is(ENOENT) || found.error().is(ENOTDIR)) return std::optional<Entry>();
  return std::move(found).error().within("/" + path.str());
}

class Squasher {
 public:
  Squasher(const Layer& base, const Layer& tree, const Touched& touched, LayerFile& out)
      : base_(base), tree_(tree), touched_(touched), out_(out) {}

  Result<void> run() {
    for (const auto& [path, hides] : touched_) TRY_WITHIN(add(path, hides), "/{}", path.str());
    return {};
  }

 private:
  Result<void> add(const RelPath& path, bool hides) {
    const auto now = TRY(entry_at(tree_, path));
    if (!now) return {};  // told with its directory
    const HeldNode held(tree_, now->node);
    DeltaOp op{.kind = Kind::replace, .path = path, .attr = now->attr};
    op.xattrs = TRY(tree_.xattrs(now->node));
    if (now->attr.is_dir()) return add_dir(std::move(op), hides);
    if (now->attr.nlink > 1) {
      const std::string& first = first_names_.of(now->node, path.str());
      if (first != path.str()) {
        op.kind = Kind::hardlink;
        op.link_to = TRY(RelPath::parse(first));
        return out_.add(op, nullptr);
      }
    }
    if (now->attr.is_symlink()) op.target = TRY(tree_.readlink(now->node));
    if (!now->attr.is_regular()) return out_.add(op, nullptr);
    const auto content = TRY(tree_.open(now->node));
    return out_.add(op, content.get());
  }

  Result<void> add_dir(DeltaOp op, bool hides) {
    const auto before = TRY(entry_at(base_, op.path));
    const HeldNode held = before ? HeldNode(base_, before->node) : HeldNode();
    if (!before || !before->attr.is_dir()) op.kind = Kind::mkdir;
    else op.kind = hides ? Kind::opaque_dir : op.path.is_root() ? Kind::implicit_dir : Kind::set_metadata;
    TRY(out_.add(op, nullptr));
    if (op.kind == Kind::mkdir || op.kind == Kind::opaque_dir) return {};
    // What is removed from it comes before what stands in it.
    for (auto at = touched_.upper_bound(op.path); at != touched_.end() && op.path.contains(at->first); ++at) {
      if (at->first.parent() != op.path || TRY(entry_at(tree_, at->first))) continue;
      if (TRY(entry_at(base_, at->first))) TRY(out_.add(DeltaOp{.kind = Kind::remove, .path = at->first}, nullptr));
    }
    return {};
  }

  const Layer& base_;
  const Layer& tree_;
  const Touched& touched_;
  LayerFile& out_;
  FirstNames first_names_{tree_};
};

Result<Record> squash_layers(const StageState& state, LayerOpener& layers, Cache& cache) {
  std::vector<LayerPtr> bottom_up;
  for (const StageLayer& layer : state.layers) bottom_up.push_back(TRY(layers.open(layer.spec, layer.diff_id)));
  const LayerPtr base = TRY(make_stack({bottom_up.rend() - static_cast<std::ptrdiff_t>(state.base_layers), bottom_up.rend()}));
  const LayerPtr tree = TRY(make_stack({bottom_up.rbegin(), bottom_up.rend()}));
  const Touched touched = TRY(touched_by(bottom_up, state.base_layers));
  const auto file = TRY(LayerFile::begin(cache));
  TRY(Squasher(*base, *tree, touched, *file).run());
  return Record{.layer = TRY(file->commit()), .clock = state.clock};
}

}  // namespace

Result<StageState> squash(StageState state, LayerOpener& layers, Cache& cache) {
  if (state.layers.size() <= state.base_layers + 1) return state;
  KeyInputs inputs;
  inputs.add("step", "squash");
  inputs.add("the layers", state.chain().str());
  inputs.add("of these the base's", std::to_string(state.base_layers));
  auto record = TRY(cache.find(inputs.digest()));
  // One that somebody else made may have no layer, and is replaced.
  if (!record || !record->layer)
    record = TRY(cache.put(inputs.digest(), TRY_WITHIN(squash_layers(state, layers, cache), "squashing the layers of the build"), true));

  const std::size_t made = state.layers.size() - state.base_layers;
  state.layers.resize(state.base_layers);
  state.config.diff_ids.resize(state.base_layers);
  std::size_t left = made;
  for (auto entry = state.config.history.rbegin(); entry != state.config.history.rend() && left != 0; ++entry) {
    if (entry->empty_layer) continue;
    entry->empty_layer = true;
    --left;
  }
  state.push(cached_stage_layer(*record->layer, cache));
  state.config.history.push_back({.created = state.config.created,
                                  .created_by = fmt::format("acetate build --squash # {} layers", made),
                                  .comment = "acetate"});
  return state;
}

}  // namespace acetate::build
