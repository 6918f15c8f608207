#include "layers/stack_layer.h"

#include <algorithm>

namespace acetate::stack {

StackLayer::StackLayer(std::vector<LayerPtr> top_to_bottom) : layers_(std::move(top_to_bottom)) {
  // Groups are counted from the bottom, so that another layer on top changes nobody's inode number.
  group_.resize(layers_.size());
  std::unordered_map<dev_t, std::uint32_t> of_device;
  std::uint32_t groups = 0;
  for (std::size_t i = layers_.size(); i-- > 0;) {
    const dev_t device = layers_[i]->device();
    group_[i] = device == 0 ? groups++ : of_device.try_emplace(device, groups).first->second;
    groups = std::max(groups, group_[i] + 1);
  }
  one_group_ = groups <= 1;
  if (one_group_) device_ = layers_.front()->device();
}

Result<void> StackLayer::open() {
  root_is_opaque_.resize(layers_.size());
  for (std::size_t i = 0; i + 1 < layers_.size(); ++i)
    root_is_opaque_[i] = TRY(layers_[i]->is_opaque(layers_[i]->root()));
  Merged root(*this);
  root.parts = TRY(roots_from(0));
  root_ = node_of(root);
  return {};
}

bool StackLayer::implies_directories() const {
  return std::ranges::any_of(layers_, [](const LayerPtr& layer) { return layer->implies_directories(); });
}

bool StackLayer::may_have_xattrs() const {
  return std::ranges::any_of(layers_, [](const LayerPtr& layer) { return layer->may_have_xattrs(); });
}

Result<Entry> StackLayer::lookup(Node dir, std::string_view name) const {
  Part single;
  const std::span<const Part> dirs = parts_of(dir, single);
  int redirects = 0;
  Merged merged = TRY(find(dirs, name, redirects, Memory::look));
  Entry entry{.node = {}, .attr = merged.attr};
  entry.node = node_of(merged);
  if (!entry.attr.is_implied) return entry;
  auto described = attr(entry.node);
  if (!described) {
    release(entry.node);
    return std::move(described).error();
  }
  entry.attr = *described;
  return entry;
}

Result<Attr> StackLayer::attr(Node node) const {
  Part single;
  const std::span<const Part> parts = parts_of(node, single);
  Attr attr = unique(parts[0].layer, TRY(layer(parts[0]).attr(parts[0].node)));
  if (parts.size() == 1) return attr;
  if (attr.is_implied) {
    const Part part = describing(parts);
    Attr described = TRY(layer(part).attr(part.node));
    described.ino = attr.ino;
    attr = described;
  }
  if (!attr.is_dir()) attr.blocks = TRY(layer(parts[1]).attr(parts[1].node)).blocks;
  return attr;
}

// A metacopy's bytes are its second part's; a directory refuses whichever part is asked.
Result<std::unique_ptr<FileView>> StackLayer::open(Node node) const {
  Part single;
  const Part bytes = parts_of(node, single).back();
  return layer(bytes).open(bytes.node);
}

Result<std::optional<Digest>> StackLayer::content_id(Node node) const {
  Part single;
  const Part bytes = parts_of(node, single).back();
  return layer(bytes).content_id(bytes.node);
}

Result<std::string> StackLayer::readlink(Node node) const {
  const Part top = top_of(node);
  return layer(top).readlink(top.node);
}

Result<std::vector<Xattr>> StackLayer::xattrs(Node node) const {
  const Part top = top_of(node);
  return layer(top).xattrs(top.node);
}

Result<std::string> StackLayer::xattr(Node node, std::string_view name) const {
  const Part top = top_of(node);
  return layer(top).xattr(top.node, name);
}

}  // namespace acetate::stack
