#include "builder/tree_digest.h"

#include <optional>
#include <string>
#include <vector>

#include "base/sys/cache_file.h"
#include "base/sys/file.h"
#include "builder/digest_list.h"
#include "builder/hash_file.h"
#include "builder/layer_contents.h"
#include "builder/tree_hasher.h"

namespace acetate::build {

namespace {

constexpr std::size_t kMostKept = std::size_t{1} << 28;
constexpr std::string_view kVersion = "1\n";
// Where the layers since have had as many names, what was learned of a tree is kept.
constexpr std::size_t kManyNames = 1000;

// The lowest layers of a stage.
StageState lowest(const StageState& state, std::size_t count) {
  StageState part;
  part.layers.assign(state.layers.begin(), state.layers.begin() + static_cast<std::ptrdiff_t>(count));
  return part;
}

class TreeDigests {
 public:
  TreeDigests(const StageState& state, LayerOpener& layers, const Cache& cache, const std::stop_token& stop)
      : state_(state), layers_(layers), cache_(cache), stop_(stop), contents_(state.layers.size()) {
    // Not their chains, each of which is made of all layers below.
    Digest name = Digest::of("a tree of no layers");
    for (const StageLayer& layer : state.layers) names_.push_back(name = Digest::of(name.hex() + " " + layer.diff_id.str()));
  }

  // Begins with what was kept of the most of its layers, and keeps something itself where it has come far from that.
  Result<Digest> run() {
    Paths changed;
    std::size_t names = 0;
    for (std::size_t count = TRY(find_kept()) + 1; count <= state_.layers.size(); ++count) {
      const StageLayer& layer = state_.layers[count - 1];
      names += TRY(add_changed(*TRY(layers_.open(layer.spec, layer.diff_id)), stop_, changed));
      if (names < kManyNames) continue;
      TreeHasher hasher = TRY(hasher_of(count, changed));
      const Digest digest = TRY(hasher.run());
      DigestList learned = DigestList::of(hasher.learned(), kVersion);
      const std::string file = file_of(count);
      TRY_WITHIN(sys::write_cache_file({kWorkingDir, file.c_str()}, learned.text(), 0600), "writing {}", file);
      if (count == state_.layers.size()) return digest;
      below_ = std::move(learned);
      changed.clear();
      names = 0;
    }
    return TRY(hasher_of(state_.layers.size(), changed)).run();
  }

 private:
  std::string file_of(std::size_t count) const { return cache_.subtrees_path(names_[count - 1]); }

  // Of how many layers; what that was is in `below_`.
  Result<std::size_t> find_kept() {
    for (std::size_t count = state_.layers.size(); count > 0; --count) {
      auto text = sys::read_file(file_of(count), kMostKept);
      if (!text && text.error().is(ENOENT)) continue;
      if (!text) return std::move(text).error().within("reading " + file_of(count));
      if ((below_ = DigestList::parse(*std::move(text), kVersion))) return count;
    }
    return std::size_t{0};
  }

  Result<TreeHasher> hasher_of(std::size_t count, const Paths& changed) {
    trees_.push_back(TRY(layers_.tree(lowest(state_, count))));
    const Layer& tree = *trees_.back();
    const auto below = below_ ? std::optional(TreeBelow{*below_, changed}) : std::nullopt;
    return TreeHasher(tree, below, [this, count, &tree](const std::string& path, Node node) { return content(tree, count, path, node); }, stop_);
  }

  // The uppermost layer that has a file of that name is where the tree has it from.
  Result<Digest> content(const Layer& tree, std::size_t count, const std::string& path, Node node) {
    for (std::size_t n = count; n-- > 0;) {
      const StageLayer& layer = state_.layers[n];
      if (!contents_[n]) contents_[n] = TRY_WITHIN(contents_of(layer, layers_, cache_, stop_), "hashing the layer {}", layer.diff_id.str());
      const DigestList::Line* found = contents_[n]->find(path);
      if (found == nullptr) continue;
      if (const auto digest = Digest::from_hex(found->hex)) return *digest;
      break;
    }
    return hash_file(*TRY(tree.open(node)));
  }

  const StageState& state_;
  LayerOpener& layers_;
  const Cache& cache_;
  const std::stop_token& stop_;
  std::vector<Digest> names_;                         // of the lowest layer, of the lowest two, and so on
  std::vector<std::optional<DigestList>> contents_;   // of each layer that was asked for
  std::vector<LayerPtr> trees_;
  std::optional<DigestList> below_;
};

}  // namespace

Result<Digest> tree_digest(const StageState& state, LayerOpener& layers, Cache& cache, const std::stop_token& stop) {
  const Digest chain = state.chain();
  if (const auto known = TRY(cache.tree_digest(chain))) return *known;
  const Digest digest = TRY(TreeDigests(state, layers, cache, stop).run());
  TRY(cache.set_tree_digest(chain, digest));
  return digest;
}

}  // namespace acetate::build
