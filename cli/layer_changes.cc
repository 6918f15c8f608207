#include "cli/layer_changes.h"

#include <algorithm>
#include <map>
#include <set>

namespace acetate::cli {

namespace {

using Kind = LayerChange::Kind;

class Reader {
 public:
  Result<std::vector<LayerChanges>> run(const std::vector<LayerPtr>& layers) {
    for (const LayerPtr& layer : layers) {
      all_.emplace_back();
      if (TRY(layer->is_opaque(layer->root()))) hide_below("");
      TRY(directory(*layer, layer->root(), ""));
    }
    return std::move(all_);
  }

 private:
  struct Seen {
    std::uint64_t bytes;
    std::size_t layer;
    bool is_dir;
  };

  Result<void> directory(const Layer& layer, Node dir, const std::string& path) {
    std::vector<std::string> names;
    TRY(layer.list(dir, [&](const DirEntry& entry) {
      names.emplace_back(entry.name);
      return true;
    }));
    std::sort(names.begin(), names.end());
    for (const std::string& name : names) {
      const Entry entry = TRY(layer.lookup(dir, name));
      const std::string child = path.empty() ? name : path + "/" + name;
      if (entry.marker == Marker::whiteout) {
        remove(child);
        continue;
      }
      const HeldNode held(layer, entry.node);
      if (entry.marker == Marker::opaque) hide_below(child);
      put(child, entry);
      if (entry.attr.is_dir() && entry.marker != Marker::link_to) TRY(directory(layer, entry.node, child));
    }
    return {};
  }

  void put(const std::string& path, const Entry& entry) {
    const bool is_dir = entry.attr.is_dir();
    // The second name of a file takes no room.
    const bool is_first = entry.marker != Marker::link_to &&
                          (entry.attr.nlink < 2 || links_.emplace(all_.size(), entry.attr.ino).second);
    const std::uint64_t bytes = entry.attr.is_regular() && is_first ? entry.attr.size : 0;
    all_.back().bytes += bytes;
    const auto there = tree_.find(path);
    if (there != tree_.end() && there->second.is_dir && is_dir) return;  // metadata at most
    if (there != tree_.end() && there->second.is_dir) hide_below(path);
    note(there == tree_.end() ? Kind::added : Kind::changed, path, bytes);
    if (there != tree_.end()) all_[there->second.layer].wasted += there->second.bytes;
    tree_.insert_or_assign(path, Seen{bytes, all_.size() - 1, is_dir});
  }

  void remove(const std::string& path) {
    const auto there = tree_.find(path);
    if (there == tree_.end()) return;
    std::uint64_t hidden = there->second.bytes;
    all_[there->second.layer].wasted += there->second.bytes;
    tree_.erase(there);
    hidden += hide_below(path);
    note(Kind::removed, path, hidden);
  }

  // Everything below a directory goes; how much that was.
  std::uint64_t hide_below(const std::string& path) {
    const std::string prefix = path.empty() ? "" : path + "/";
    std::uint64_t hidden = 0;
    for (auto at = tree_.lower_bound(prefix); at != tree_.end() && at->first.starts_with(prefix); at = tree_.erase(at)) {
      hidden += at->second.bytes;
      all_[at->second.layer].wasted += at->second.bytes;
    }
    return hidden;
  }

  void note(Kind kind, const std::string& path, std::uint64_t bytes) { all_.back().changes.push_back({kind, path, bytes}); }

  std::vector<LayerChanges> all_;
  std::map<std::string, Seen> tree_;  // as the layers so far show it
  std::set<std::pair<std::size_t, std::uint64_t>> links_;  // files with several names, by layer
};

}  // namespace

std::size_t LayerChanges::count(LayerChange::Kind kind) const {
  return static_cast<std::size_t>(std::ranges::count(changes, kind, &LayerChange::kind));
}

Result<std::vector<LayerChanges>> changes_of(const std::vector<LayerPtr>& layers) { return Reader().run(layers); }

}  // namespace acetate::cli
