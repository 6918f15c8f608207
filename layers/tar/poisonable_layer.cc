#include "layers/tar/poisonable_layer.h"

#include <cerrno>
#include <utility>

namespace acetate {

namespace {

class PoisonableView final : public FileView {
 public:
  PoisonableView(std::unique_ptr<FileView> view, std::shared_ptr<const Poison> poison)
      : view_(std::move(view)), poison_(std::move(poison)) {}

  std::uint64_t size() const override { return view_->size(); }
  Result<std::size_t> pread(std::span<std::byte> into, std::uint64_t offset) const override {
    if (poison_->is_spilled()) return Error(EIO);
    return view_->pread(into, offset);
  }
  Result<std::size_t> pread_at_hand(std::span<std::byte> into, std::uint64_t offset) const override {
    if (poison_->is_spilled()) return Error(EIO);
    return view_->pread_at_hand(into, offset);
  }
  std::optional<Extent> extent(std::uint64_t offset) const override {
    if (poison_->is_spilled()) return std::nullopt;
    return view_->extent(offset);
  }
  Segment segment(std::uint64_t offset) const override { return view_->segment(offset); }

 private:
  const std::unique_ptr<FileView> view_;
  const std::shared_ptr<const Poison> poison_;
};

class PoisonableLayer final : public Layer {
 public:
  PoisonableLayer(LayerPtr layer, std::shared_ptr<const Poison> poison, std::shared_ptr<const void> keeps)
      : layer_(std::move(layer)), poison_(std::move(poison)), keeps_(std::move(keeps)) {}

  Node root() const override { return layer_->root(); }
  bool implies_directories() const override { return layer_->implies_directories(); }
  bool may_have_xattrs() const override { return layer_->may_have_xattrs(); }
  Result<Entry> lookup(Node dir, std::string_view name) const override {
    return unless_poisoned([&] { return layer_->lookup(dir, name); });
  }
  Result<Attr> attr(Node node) const override {
    return unless_poisoned([&] { return layer_->attr(node); });
  }
  Result<void> list(Node dir, const std::function<bool(const DirEntry&)>& each) const override {
    return unless_poisoned([&] { return layer_->list(dir, each); });
  }
  Result<std::unique_ptr<FileView>> open(Node node) const override {
    if (poison_->is_spilled()) return Error(EIO);
    return std::unique_ptr<FileView>(std::make_unique<PoisonableView>(TRY(layer_->open(node)), poison_));
  }
  Result<std::string> readlink(Node node) const override {
    return unless_poisoned([&] { return layer_->readlink(node); });
  }
  Result<std::vector<Xattr>> xattrs(Node node) const override {
    return unless_poisoned([&] { return layer_->xattrs(node); });
  }
  Result<std::string> xattr(Node node, std::string_view name) const override {
    return unless_poisoned([&] { return layer_->xattr(node, name); });
  }
  Result<std::string> link_target(Node node) const override {
    return unless_poisoned([&] { return layer_->link_target(node); });
  }
  Result<bool> is_opaque(Node dir) const override {
    return unless_poisoned([&] { return layer_->is_opaque(dir); });
  }
  Result<std::optional<std::string>> redirect(Node node) const override {
    return unless_poisoned([&] { return layer_->redirect(node); });
  }
  Result<std::optional<Digest>> content_id(Node node) const override {
    return unless_poisoned([&] { return layer_->content_id(node); });
  }
  void hold(Node node) const noexcept override { layer_->hold(node); }
  void release(Node node) const noexcept override { layer_->release(node); }
  dev_t device() const override { return layer_->device(); }

 private:
  template <class Ask>
  auto unless_poisoned(Ask&& ask) const -> decltype(ask()) {
    if (poison_->is_spilled()) return Error(EIO);
    return ask();
  }

  const LayerPtr layer_;
  const std::shared_ptr<const Poison> poison_;
  const std::shared_ptr<const void> keeps_;
};

}  // namespace

LayerPtr poisonable_layer(LayerPtr layer, std::shared_ptr<const Poison> poison, std::shared_ptr<const void> keeps) {
  return std::make_shared<PoisonableLayer>(std::move(layer), std::move(poison), std::move(keeps));
}

}  // namespace acetate
