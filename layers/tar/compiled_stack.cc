#include "layers/tar/compiled_stack.h"

#include <sys/stat.h>

#include <algorithm>
#include <cstring>
#include <deque>
#include <unordered_map>
#include <utility>

#include "base/bytes.h"
#include "layers/stack_layer.h"
#include "layers/tar/byte_pool.h"
#include "layers/tar/index_sections.h"
#include "layers/tar/probe_table.h"
#include "layers/tar/tar_attr.h"

namespace acetate {

namespace {

template <class T>
std::span<const std::byte> bytes_of(const std::vector<T>& items) {
  return std::as_bytes(std::span(items));
}

// Numbers a stack's tree breadth first, each directory's entries in the order in which the stack lists them.
class Compiler {
 public:
  Compiler(const stack::StackLayer& stack, const Digest& id) : stack_(stack), id_(id) {
    std::memcpy(&seed_, id.head().data(), sizeof seed_);
  }

  Result<void> walk(const std::function<bool()>& keep_going);
  Result<void> write(FdRef out) const;

 private:
  struct Dir {
    std::uint32_t number;
    HeldNode node;
  };
  Result<void> walk_dir(Dir dir);
  Result<std::uint32_t> add_inode(const Attr& attr, stack::Part from);

  const stack::StackLayer& stack_;
  Digest id_;
  std::uint64_t seed_ = 0;
  std::deque<Dir> dirs_;  // found and not walked yet
  std::vector<lix::Inode> inodes_;
  std::vector<lix::Source> sources_;
  std::vector<lix::Dirent> dirents_;
  BytePool names_;
  std::unordered_map<std::uint64_t, std::uint32_t> linked_;  // objects with several names, by layer and number
};

Result<void> Compiler::walk(const std::function<bool()>& keep_going) {
  const Node root = stack_.root();
  stack_.hold(root);
  HeldNode held(stack_, root);
  dirs_.push_back({TRY(add_inode(TRY(stack_.attr(root)), stack_.top_of(root))), std::move(held)});
  while (!dirs_.empty()) {
    if (keep_going && !keep_going()) return Error(ECANCELED);
    Dir next = std::move(dirs_.front());
    dirs_.pop_front();
    TRY(walk_dir(std::move(next)));
  }
  return {};
}

Result<std::uint32_t> Compiler::add_inode(const Attr& attr, stack::Part from) {
  const std::uint32_t number = TRY(inode_number(from.node));
  const std::uint64_t key = std::uint64_t{from.layer} << 32 | number;
  if (!attr.is_dir() && attr.nlink > 1) {
    if (const auto known = linked_.find(key); known != linked_.end()) return known->second;
  }
  if (inodes_.size() >= 0xffffffffU) return Error(EFBIG);
  const auto made = static_cast<std::uint32_t>(inodes_.size());
  lix::Inode inode{};
  inode.size = attr.size;
  inode.mtime = attr.mtime.tv_sec;
  inode.mtime_ns = static_cast<std::uint32_t>(attr.mtime.tv_nsec);
  inode.mode = attr.mode;
  inode.uid = attr.uid;
  inode.gid = attr.gid;
  inode.nlink = attr.nlink;
  if (S_ISCHR(attr.mode) || S_ISBLK(attr.mode)) inode.data = attr.rdev;
  if (attr.is_regular()) {
    // Only the number of blocks is of interest here; the extents are the layer's.
    inode.flags = lix::kSparse;
    inode.blocks = static_cast<std::uint32_t>(std::min<std::uint64_t>(attr.blocks, 0xffffffffU));
    if (attr.blocks > 0xffffffffU) inode.flags = 0;  // then it is not sparse, and its size says the same
  }
  if (attr.is_implied) inode.flags |= lix::kImplied;
  inodes_.push_back(inode);
  sources_.push_back({attr.ino, from.layer, number});
  if (!attr.is_dir() && attr.nlink > 1) linked_.emplace(key, made);
  return made;
}

Result<void> Compiler::walk_dir(Dir dir) {
  const std::size_t first = dirents_.size();
  std::optional<Error> failure;
  TRY(stack_.list(dir.node.get(), [&](const DirEntry& listed) {
    const auto add = [&]() -> Result<void> {
      const Entry entry = TRY(stack_.lookup(dir.node.get(), listed.name));
      HeldNode held(stack_, entry.node);
      const std::uint32_t number = TRY(add_inode(entry.attr, stack_.top_of(entry.node)));
      const PoolText name = names_.intern(listed.name);
      dirents_.push_back({.name = name.at, .name_bytes = static_cast<std::uint16_t>(name.bytes),
                          .type = dirent_type(entry.attr.mode), .marker = 0, .inode = number, .parent = dir.number});
      if (entry.attr.is_dir()) dirs_.push_back({number, std::move(held)});
      return {};
    };
    auto added = add();
    if (!added) failure = std::move(added).error();
    return !failure;
  }));
  if (failure) return *std::move(failure);
  if (dirents_.size() > 0xffffffffU) return Error(EFBIG);
  inodes_[dir.number].data = lix::pack_halves(static_cast<std::uint32_t>(first),
                                              static_cast<std::uint32_t>(dirents_.size() - first));
  return {};
}

Result<void> Compiler::write(FdRef out) const {
  lix::Header header{};
  std::memcpy(header.magic, lix::kMagic, sizeof header.magic);
  header.major = lix::kMajor;
  header.minor = lix::kMinor;
  header.incompatible = static_cast<std::uint32_t>(lix::IndexKind::stack);
  std::memcpy(header.blob, id_.head().data(), sizeof header.blob);
  header.entries = dirents_.size();
  header.name_seed = seed_;
  ProbeTable table(dirents_.size());
  for (std::uint32_t i = 0; i < dirents_.size(); ++i)
    table.insert(lix::name_hash(seed_, dirents_[i].parent, names_.view({dirents_[i].name, dirents_[i].name_bytes})), i);

  using enum lix::SectionId;
  SectionWriter sections(out, header);
  const auto put = [&](lix::SectionId id, std::uint32_t item_bytes, std::span<const std::byte> bytes) {
    sections.begin(id, item_bytes);
    return sections.append(bytes);
  };
  TRY(put(inodes, sizeof(lix::Inode), bytes_of(inodes_)));
  TRY(put(dirents, sizeof(lix::Dirent), bytes_of(dirents_)));
  TRY(put(slots, sizeof(lix::Slot), bytes_of(table.slots())));
  TRY(put(strings, 1, as_bytes(names_.bytes())));
  TRY(put(lix::SectionId::sources, sizeof(lix::Source), bytes_of(sources_)));
  for (const auto& [id, item_bytes] : {std::pair(xattrs, std::size_t{1}), {extents, sizeof(lix::Extent)},
                                       {checkpoints, sizeof(lix::CheckpointRecord)}, {windows, 1},
                                       {content_ids, Digest::kHeadBytes}})
    sections.begin(id, static_cast<std::uint32_t>(item_bytes));
  return sections.finish();
}

class CompiledStack final : public Layer {
 public:
  CompiledStack(LayerIndexPtr index, std::vector<LayerPtr> layers)
      : index_(std::move(index)), layers_(std::move(layers)) {}

  Node root() const override { return Node{LayerIndex::kRoot}; }
  bool implies_directories() const override { return true; }
  bool may_have_xattrs() const override {
    return std::ranges::any_of(layers_, [](const LayerPtr& layer) { return layer->may_have_xattrs(); });
  }

  Result<Entry> lookup(Node dir, std::string_view name) const override {
    const auto found = TRY(index_->lookup(TRY(inode_number(dir)), name));
    const auto source = TRY(index_->source(found.number));
    return Entry{.node = Node{found.number}, .attr = tar_attr(found.inode, source.ino)};
  }

  Result<Attr> attr(Node node) const override {
    const std::uint32_t number = TRY(inode_number(node));
    return tar_attr(TRY(index_->inode(number)), TRY(index_->source(number)).ino);
  }

  Result<void> list(Node dir, const std::function<bool(const DirEntry&)>& each) const override {
    std::optional<Error> failure;
    TRY(index_->list(TRY(inode_number(dir)), [&](const LayerIndex::Listed& entry) {
      auto source = index_->source(entry.number);
      if (!source) failure = std::move(source).error();
      return source && each({.name = entry.name, .type = entry.type, .marker = Marker::none, .ino = source->ino});
    }));
    if (failure) return *std::move(failure);
    return {};
  }

  Result<std::unique_ptr<FileView>> open(Node node) const override {
    const Place at = TRY(place_of(node));
    return at.layer->open(at.node);
  }
  Result<std::string> readlink(Node node) const override {
    const Place at = TRY(place_of(node));
    return at.layer->readlink(at.node);
  }
  Result<std::vector<Xattr>> xattrs(Node node) const override {
    const Place at = TRY(place_of(node));
    return at.layer->xattrs(at.node);
  }
  Result<std::string> xattr(Node node, std::string_view name) const override {
    const Place at = TRY(place_of(node));
    return at.layer->xattr(at.node, name);
  }
  Result<std::optional<Digest>> content_id(Node node) const override {
    const Place at = TRY(place_of(node));
    return at.layer->content_id(at.node);
  }

 private:
  struct Place {
    const Layer* layer;
    Node node;
  };
  Result<Place> place_of(Node node) const {
    const lix::Source source = TRY(index_->source(TRY(inode_number(node))));
    if (source.layer >= layers_.size()) return Error(EIO);
    return Place{layers_[source.layer].get(), Node{source.inode}};
  }

  LayerIndexPtr index_;
  std::vector<LayerPtr> layers_;
};

}  // namespace

Digest id_of_index(const IndexFacts& facts) {
  return Digest::of(fmt::format("index {}.{} {} {:016x}", lix::kMajor, lix::kMinor, facts.blob.str(), facts.fingerprint));
}

Digest id_of_stack(const std::vector<Digest>& top_to_bottom) {
  std::string text = "stack 3";
  for (const Digest& layer : top_to_bottom) text += " " + layer.hex();
  return Digest::of(text);
}

LayerPtr find_compiled_stack(const IndexStore& stacks, const Digest& id, std::vector<LayerPtr> top_to_bottom) {
  LayerIndexPtr index = stacks.find(id, lix::IndexKind::stack);
  if (index == nullptr) return nullptr;
  return std::make_shared<const CompiledStack>(std::move(index), std::move(top_to_bottom));
}

Result<void> compile_stack(const IndexStore& stacks, const Digest& id, const Layer& stack,
                           const std::function<bool()>& keep_going) {
  const auto* layers = dynamic_cast<const stack::StackLayer*>(&stack);
  if (layers == nullptr) return fail(EINVAL, "only a stack of layers can be compiled");
  // Two processes may do it at once: whoever waited for the other could not stop when told to.
  if (stacks.find(id, lix::IndexKind::stack) != nullptr) return {};
  Compiler compiler(*layers, id);
  TRY(compiler.walk(keep_going));
  return stacks.publish(id, [&](FdRef file) { return compiler.write(file); });
}

}  // namespace acetate
