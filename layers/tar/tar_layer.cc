#include "layers/tar/tar_layer.h"

#include <sys/stat.h>

#include <utility>

#include "layers/tar/tar_attr.h"
#include "layers/tar/tar_file.h"

namespace acetate {

namespace {

constexpr Node node_of(std::uint32_t number) noexcept { return Node{number}; }

Attr attr_of(std::uint32_t number, const lix::Inode& inode) noexcept {
  return tar_attr(inode, std::uint64_t{number} + 1);
}

class TarLayer final : public Layer {
 public:
  TarLayer(LayerIndexPtr index, SourcePtr plain, TarLayerOptions options)
      : index_(std::move(index)), plain_(std::move(plain)), options_(options) {}

  Node root() const override { return node_of(LayerIndex::kRoot); }
  bool implies_directories() const override { return true; }
  bool may_have_xattrs() const override { return index_->has_xattrs(); }

  Result<Entry> lookup(Node dir, std::string_view name) const override {
    const auto found = TRY(index_->lookup(TRY(inode_number(dir)), name));
    if (found.marker == Marker::whiteout) return Entry{.node = {}, .attr = {}, .marker = Marker::whiteout};
    return Entry{.node = node_of(found.number), .attr = attr_of(found.number, found.inode), .marker = found.marker};
  }

  Result<Attr> attr(Node node) const override {
    const std::uint32_t number = TRY(inode_number(node));
    return attr_of(number, TRY(index_->inode(number)));
  }

  // Of every other directory lookup says it.
  Result<bool> is_opaque(Node dir) const override {
    return dir == root() && (TRY(index_->inode(LayerIndex::kRoot)).flags & lix::kOpaque) != 0;
  }

  Result<void> list(Node dir, const std::function<bool(const DirEntry&)>& each) const override {
    return index_->list(TRY(inode_number(dir)), [&](const LayerIndex::Listed& entry) {
      const bool gone = entry.marker == Marker::whiteout;
      return each({.name = entry.name, .type = entry.type, .marker = entry.marker,
                   .ino = gone ? 0 : std::uint64_t{entry.number} + 1});
    });
  }

  Result<std::unique_ptr<FileView>> open(Node node) const override {
    const lix::Inode inode = TRY(index_->inode(TRY(inode_number(node))));
    if (S_ISDIR(inode.mode)) return Error(EISDIR);
    if (!S_ISREG(inode.mode) || (inode.flags & lix::kLinkTo) != 0) return Error(EINVAL);
    auto file = TRY(open_tar_file(*index_, plain_, inode));
    if (options_.programs_whole_at_open && (inode.flags & lix::kSparse) == 0 && TRY(is_program(*file)))
      TRY(plain_->bring(inode.data, inode.size));
    return file;
  }

  Result<std::string> readlink(Node node) const override {
    const lix::Inode inode = TRY(index_->inode(TRY(inode_number(node))));
    if (!S_ISLNK(inode.mode)) return Error(EINVAL);
    return std::string(TRY(index_->text(inode)));
  }

  Result<std::string> link_target(Node node) const override {
    const lix::Inode inode = TRY(index_->inode(TRY(inode_number(node))));
    if ((inode.flags & lix::kLinkTo) == 0) return Error(EINVAL);
    return std::string(TRY(index_->text(inode)));
  }

  Result<std::vector<Xattr>> xattrs(Node node) const override {
    std::vector<Xattr> all;
    TRY(index_->xattrs(TRY(index_->inode(TRY(inode_number(node)))), [&](std::string_view name, std::string_view value) {
      all.push_back({std::string(name), std::string(value)});
      return true;
    }));
    return all;
  }

  Result<std::string> xattr(Node node, std::string_view wanted) const override {
    std::optional<std::string> found;
    TRY(index_->xattrs(TRY(index_->inode(TRY(inode_number(node)))), [&](std::string_view name, std::string_view value) {
      if (name == wanted) found = std::string(value);
      return !found;
    }));
    if (!found) return Error(ENODATA);
    return *std::move(found);
  }

  Result<std::optional<Digest>> content_id(Node node) const override {
    return index_->content_id(TRY(index_->inode(TRY(inode_number(node)))));
  }

 private:
  LayerIndexPtr index_;
  SourcePtr plain_;
  TarLayerOptions options_;
};

}  // namespace

LayerPtr make_tar_layer(LayerIndexPtr index, SourcePtr plain, TarLayerOptions options) {
  return std::make_shared<const TarLayer>(std::move(index), std::move(plain), options);
}

}  // namespace acetate
