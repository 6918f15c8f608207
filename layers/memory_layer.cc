// A tree held in maps: an inode a vector element, a directory a map of names, so that the order of a listing
// is that of the bytes. Everything is decided while it is built; afterwards nothing changes.
#include "layers/memory_layer.h"

#include <algorithm>
#include <cstring>
#include <map>

#include "base/rel_path.h"

namespace acetate {

namespace {

constexpr unsigned char kWhiteoutType = dirent_type(S_IFCHR);

struct Name {
  std::optional<std::size_t> inode;  // absent: a whiteout and nothing else
  bool whiteout = false;             // with an inode: the entry wins, and hides what is below
};

struct Inode {
  Attr attr;
  Marker marker = Marker::none;
  std::string content;
  std::vector<Xattr> xattrs;
  std::map<std::string, Name, std::less<>> names;  // of a directory
};

class MemoryView final : public FileView {
 public:
  explicit MemoryView(std::string_view content) : content_(content) {}
  std::uint64_t size() const override { return content_.size(); }
  Result<std::size_t> pread(std::span<std::byte> into, std::uint64_t offset) const override {
    if (offset >= content_.size()) return std::size_t{0};
    const std::size_t count = std::min(into.size(), content_.size() - static_cast<std::size_t>(offset));
    if (count > 0) std::memcpy(into.data(), content_.data() + offset, count);
    return count;
  }
  Result<std::size_t> pread_at_hand(std::span<std::byte> into, std::uint64_t offset) const override { return pread(into, offset); }

 private:
  std::string_view content_;
};

class MemoryLayer final : public Layer {
 public:
  explicit MemoryLayer(std::vector<Inode> inodes) : inodes_(std::move(inodes)) {}

  Node root() const override { return Node{0}; }

  Result<Entry> lookup(Node dir, std::string_view name) const override {
    const Inode& parent = inode(dir);
    if (!parent.attr.is_dir()) return Error(ENOTDIR);
    const auto found = parent.names.find(name);
    if (found == parent.names.end()) return Error(ENOENT);
    if (!found->second.inode) return Entry{.node = {}, .attr = {}, .marker = Marker::whiteout};
    const Inode& child = inodes_[*found->second.inode];
    Marker marker = child.marker;
    if (found->second.whiteout && child.attr.is_dir()) marker = Marker::opaque;
    return Entry{.node = Node{*found->second.inode}, .attr = child.attr, .marker = marker};
  }

  Result<Attr> attr(Node node) const override { return inode(node).attr; }

  Result<void> list(Node dir, const std::function<bool(const DirEntry&)>& each) const override {
    const Inode& parent = inode(dir);
    if (!parent.attr.is_dir()) return Error(ENOTDIR);
    for (const auto& [name, what] : parent.names) {
      DirEntry entry{.name = name, .type = kWhiteoutType, .marker = Marker::whiteout, .ino = 0};
      if (what.inode) {
        const Inode& child = inodes_[*what.inode];
        entry.type = dirent_type(child.attr.mode);
        entry.marker = child.marker == Marker::link_to ? Marker::link_to : Marker::none;
        entry.ino = child.attr.ino;
      }
      if (!each(entry)) break;
    }
    return {};
  }

  Result<std::unique_ptr<FileView>> open(Node node) const override {
    const Inode& file = inode(node);
    if (file.attr.is_dir()) return Error(EISDIR);
    if (!file.attr.is_regular() || file.marker == Marker::link_to) return Error(EINVAL);
    return std::unique_ptr<FileView>(new MemoryView(file.content));
  }

  Result<std::string> readlink(Node node) const override {
    const Inode& link = inode(node);
    if (!link.attr.is_symlink()) return Error(EINVAL);
    return link.content;
  }

  Result<std::vector<Xattr>> xattrs(Node node) const override { return inode(node).xattrs; }

  Result<std::string> link_target(Node node) const override {
    const Inode& link = inode(node);
    if (link.marker != Marker::link_to) return Error(EINVAL);
    return link.content;
  }

  Result<bool> is_opaque(Node dir) const override { return inode(dir).marker == Marker::opaque; }

  Result<std::optional<Digest>> content_id(Node node) const override {
    const Inode& file = inode(node);
    if (!file.attr.is_regular() || file.marker == Marker::link_to) return std::optional<Digest>();
    return std::optional<Digest>(Digest::of(file.content));
  }

 private:
  const Inode& inode(Node node) const { return inodes_[static_cast<std::size_t>(node)]; }

  std::vector<Inode> inodes_;
};

class Builder {
 public:
  Builder() { make_dir(); }

  Result<void> add(MemoryEntry&& entry) {
    const RelPath path = TRY_WITHIN(RelPath::parse(entry.path), "memory layer entry '{}'", entry.path);
    if (path.is_root()) return set_root(std::move(entry));
    const std::size_t parent = TRY(parent_of(path));
    if (!entry.hardlink_to.empty()) {
      const std::size_t target = TRY(linked(entry));
      inodes_[parent].names[std::string(path.name())].inode = target;
      return {};
    }
    if (entry.marker == Marker::whiteout) {
      inodes_[parent].names[std::string(path.name())].whiteout = true;
      return {};
    }
    if (entry.marker == Marker::link_to) entry.attr.mode = S_IFREG | (entry.attr.mode & 07777);
    if ((entry.attr.mode & S_IFMT) == 0)
      return fail(EINVAL, "memory layer entry '{}' has no file type in its mode", entry.path);
    const auto before = inodes_[parent].names[std::string(path.name())].inode;
    const bool keeps_children = before && entry.attr.is_dir() && inodes_[*before].attr.is_dir();
    const std::size_t inode = keeps_children ? *before : new_inode();
    inodes_[parent].names[std::string(path.name())].inode = inode;
    fill(inodes_[inode], std::move(entry));
    return {};
  }

  // Link counts are those of the finished tree: a name that was replaced counts no more.
  std::vector<Inode> finish() && {
    std::vector<std::uint32_t> links(inodes_.size(), 0);
    for (const Inode& inode : inodes_)
      for (const auto& [name, what] : inode.names)
        if (what.inode) ++links[*what.inode];
    for (std::size_t i = 0; i < inodes_.size(); ++i)
      inodes_[i].attr.nlink = inodes_[i].attr.is_dir() ? 1 : std::max(links[i], 1U);
    return std::move(inodes_);
  }

 private:
  std::size_t new_inode() {
    inodes_.emplace_back();
    inodes_.back().attr.ino = inodes_.size();
    return inodes_.size() - 1;
  }
  std::size_t make_dir() {
    const std::size_t made = new_inode();
    inodes_[made].attr.mode = S_IFDIR | 0755;
    return made;
  }

  static void fill(Inode& inode, MemoryEntry&& entry) {
    const std::uint64_t ino = inode.attr.ino;
    inode.attr = entry.attr;
    inode.attr.ino = ino;
    inode.attr.size = inode.attr.is_regular() || inode.attr.is_symlink() ? entry.content.size() : 0;
    inode.attr.blocks = inode.attr.is_regular() ? (inode.attr.size + 511) / 512 : 0;
    inode.marker = entry.marker;
    inode.content = std::move(entry.content);
    inode.xattrs = std::move(entry.xattrs);
  }

  Result<void> set_root(MemoryEntry&& entry) {
    if (!entry.attr.is_dir() || entry.marker == Marker::whiteout)
      return fail(EINVAL, "the root of a memory layer can only be a directory");
    fill(inodes_[0], std::move(entry));
    return {};
  }

  // The directory `path` goes into, made where it is not there.
  Result<std::size_t> parent_of(const RelPath& path) {
    std::size_t at = 0;
    const RelPath parent = path.parent();
    for (const std::string_view name : parent.components()) {
      Name& slot = inodes_[at].names.try_emplace(std::string(name)).first->second;
      if (!slot.inode) {
        slot.inode = inodes_.size();  // before make_dir(), which may move the map that `slot` lives in
        at = make_dir();
        continue;
      }
      at = *slot.inode;
      if (!inodes_[at].attr.is_dir())
        return fail(EINVAL, "memory layer entry '{}': '{}' on the way to it is no directory", path.str(),
                    name);
    }
    return at;
  }

  Result<std::size_t> linked(const MemoryEntry& entry) {
    const RelPath target = TRY_WITHIN(RelPath::parse(entry.hardlink_to), "hard link '{}'", entry.path);
    std::size_t at = 0;
    for (const std::string_view name : target.components()) {
      const auto found = inodes_[at].names.find(name);
      if (found == inodes_[at].names.end() || !found->second.inode)
        return fail(EINVAL, "memory layer entry '{}' is a hard link to '{}', which is not there", entry.path,
                    entry.hardlink_to);
      at = *found->second.inode;
    }
    if (inodes_[at].attr.is_dir())
      return fail(EINVAL, "memory layer entry '{}' is a hard link to a directory", entry.path);
    return at;
  }

  std::vector<Inode> inodes_;
};

MemoryEntry entry_of(std::string path, mode_t mode, std::string content = {}) {
  MemoryEntry entry{.path = std::move(path)};
  entry.attr.mode = mode;
  entry.content = std::move(content);
  return entry;
}

}  // namespace

MemoryEntry memory_file(std::string path, std::string content, mode_t mode) {
  return entry_of(std::move(path), S_IFREG | mode, std::move(content));
}
MemoryEntry memory_dir(std::string path, mode_t mode) { return entry_of(std::move(path), S_IFDIR | mode); }
MemoryEntry memory_symlink(std::string path, std::string target) {
  return entry_of(std::move(path), S_IFLNK | 0777, std::move(target));
}
MemoryEntry memory_whiteout(std::string path) {
  MemoryEntry entry{.path = std::move(path)};
  entry.marker = Marker::whiteout;
  return entry;
}

Result<LayerPtr> make_memory_layer(std::vector<MemoryEntry> entries) {
  Builder builder;
  for (MemoryEntry& entry : entries) TRY(builder.add(std::move(entry)));
  return LayerPtr(std::make_shared<MemoryLayer>(std::move(builder).finish()));
}

}  // namespace acetate
