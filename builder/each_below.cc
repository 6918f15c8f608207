#include "builder/each_below.h"

#include <vector>

namespace acetate::build {

Result<void> each_below(const Layer& layer, Node dir, const std::function<Result<Descent>(const std::string&, const Entry&)>& each) {
  struct Pending {
    std::string path;
    HeldNode node;
  };
  layer.hold(dir);
  std::vector<Pending> pending;
  pending.push_back({"", HeldNode(layer, dir)});
  while (!pending.empty()) {
    const Pending at = std::move(pending.back());
    pending.pop_back();
    std::vector<std::string> names;
    TRY_WITHIN(layer.list(at.node.get(), [&](const DirEntry& entry) {
      names.emplace_back(entry.name);
      return true;
    }), "reading /{}", at.path);
    for (const std::string& name : names) {
      std::string path = at.path.empty() ? name : at.path + "/" + name;
      const Entry entry = TRY_WITHIN(layer.lookup(at.node.get(), name), "reading /{}", path);
      HeldNode held = entry.marker == Marker::whiteout ? HeldNode() : HeldNode(layer, entry.node);
      const Descent descent = TRY(each(path, entry));
      if (descent == Descent::end) return {};
      if (descent == Descent::on && entry.marker != Marker::whiteout && entry.attr.is_dir()) pending.push_back({std::move(path), std::move(held)});
    }
  }
  return {};
}

}  // namespace acetate::build
