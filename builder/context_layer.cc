#include "builder/context_layer.h"

#include <fcntl.h>

#include <algorithm>
#include <map>

#include "base/mutex.h"
#include "base/rel_path.h"
#include "base/sys/dir.h"
#include "base/sys/file.h"
#include "base/sys/open.h"
#include "base/sys/xattr.h"
#include "builder/hash_file.h"

namespace acetate::build {

namespace {

class ContextFile : public FileView {
 public:
  ContextFile(Fd fd, std::uint64_t size) : fd_(std::move(fd)), size_(size) {}
  std::uint64_t size() const override { return size_; }
  Result<std::size_t> pread(std::span<std::byte> into, std::uint64_t offset) const override {
    if (offset >= size_) return std::size_t{0};
    return sys::pread_full(fd_.ref(), into.first(std::min<std::uint64_t>(into.size(), size_ - offset)), offset);
  }

 private:
  Fd fd_;
  std::uint64_t size_;
};

class ContextLayer : public Layer {
 public:
  ContextLayer(Fd root, dockerfile::IgnoreRules ignore, std::shared_ptr<FileHashes> hashes)
      : root_(std::move(root)), ignore_(std::move(ignore)), hashes_(std::move(hashes)) {
    paths_.emplace_back();
    nodes_[""] = Node{0};
  }

  Node root() const override { return Node{0}; }

  Result<Entry> lookup(Node dir, std::string_view name) const override {
    const RelPath path = path_of(dir).child(name);
    const Attr attr = TRY(attr_at(path));
    if (!TRY(is_visible(path, attr.is_dir()))) return Error(ENOENT);
    return Entry{.node = node_of(path), .attr = attr};
  }

  Result<Attr> attr(Node node) const override { return attr_at(path_of(node)); }

  Result<void> list(Node dir, const std::function<bool(const DirEntry&)>& each) const override {
    const RelPath path = path_of(dir);
    for (const std::string& name : TRY(names_in(path))) {
      const RelPath child = path.child(name);
      const auto attr = attr_at(child);
      if (!attr && attr.error().is(ENOENT)) continue;  // removed since it was listed
      if (!attr) return attr.error().clone();
      if (!TRY(is_visible(child, attr->is_dir()))) continue;
      if (!each(DirEntry{name, dirent_type(attr->mode), Marker::none, attr->ino})) return {};
    }
    return {};
  }

  Result<std::unique_ptr<FileView>> open(Node node) const override {
    Fd fd = TRY(sys::open_beneath(root_.ref(), path_of(node), O_RDONLY | O_NOFOLLOW | O_NONBLOCK));
    const auto stat = TRY(sys::stat(fd.ref()));
    if (!S_ISREG(stat.st_mode)) return Error(EINVAL);
    return std::unique_ptr<FileView>(
        std::make_unique<ContextFile>(std::move(fd), static_cast<std::uint64_t>(stat.st_size)));
  }

  Result<std::optional<Digest>> content_id(Node node) const override {
    using Answer = std::optional<Digest>;
    if (hashes_ == nullptr) return Answer();
    const RelPath path = path_of(node);
    if (const auto known = hashes_->find(TRY(sys::stat(TRY(handle(path)).ref())))) return Answer(known);
    Fd fd = TRY(sys::open_beneath(root_.ref(), path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK));
    timespec now{};
    ::clock_gettime(CLOCK_REALTIME, &now);
    const auto stat = TRY(sys::stat(fd.ref()));
    if (!S_ISREG(stat.st_mode)) return Answer();
    const Digest digest = TRY(hash_file(ContextFile(std::move(fd), static_cast<std::uint64_t>(stat.st_size))));
    hashes_->learn(stat, now, digest);
    return Answer(digest);
  }

  Result<std::string> readlink(Node node) const override { return sys::readlink(TRY(handle(path_of(node))).ref()); }

  // Only what a file is for, as BuildKit takes along: what labels and ACLs the host keeps is the host's.
  Result<std::vector<Xattr>> xattrs(Node node) const override {
    const Fd fd = TRY(handle(path_of(node)));
    std::vector<Xattr> found;
    for (const std::string& name : TRY(sys::list_xattrs(fd.ref()))) {
      if (name != "security.capability" && !name.starts_with("user.")) continue;
      auto value = sys::get_xattr(fd.ref(), name.c_str());
      if (!value && value.error().is(ENODATA)) continue;
      if (!value) return std::move(value).error();
      found.push_back({name, *std::move(value)});
    }
    return found;
  }

 private:
  Result<Fd> handle(const RelPath& path) const {
    return sys::open_beneath(root_.ref(), path, O_PATH | O_NOFOLLOW);
  }

  Result<Attr> attr_at(const RelPath& path) const {
    const Fd fd = TRY(handle(path));
    const auto stat = TRY(sys::stat(fd.ref()));
    const bool linked = !S_ISDIR(stat.st_mode) && stat.st_nlink > 1;
    return Attr{.mode = stat.st_mode,
                .uid = 0,
                .gid = 0,
                .nlink = S_ISDIR(stat.st_mode) ? 1 : static_cast<std::uint32_t>(stat.st_nlink),
                .size = static_cast<std::uint64_t>(stat.st_size),
                .blocks = static_cast<std::uint64_t>(stat.st_blocks),
                .rdev = stat.st_rdev,
                .ino = linked ? number_of(stat.st_dev, stat.st_ino) : stat.st_ino,
                .atime = stat.st_atim,
                .mtime = stat.st_mtim,
                .ctime = stat.st_ctim};
  }

  // Of a file with several names: one of our own, since a context may hold mount points, and numbers of two file systems
  // say nothing of one another.
  std::uint64_t number_of(dev_t device, ino_t inode) const {
    const Lock lock(mutex_);
    return links_.emplace(std::pair(device, inode), links_.size() + 1).first->second;
  }

  Result<std::vector<std::string>> names_in(const RelPath& path) const {
    const Fd fd = TRY(sys::open_beneath(root_.ref(), path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
    std::vector<std::string> names;
    TRY(sys::read_dir(fd.ref(), [&](const sys::DirEntry& entry) {
      names.emplace_back(entry.name);
      return true;
    }));
    std::sort(names.begin(), names.end());
    return names;
  }

  // An ignored directory is seen when an exception brings back something in it.
  Result<bool> is_visible(const RelPath& path, bool is_dir) const {
    if (!ignore_.ignores(path.str())) return true;
    if (!is_dir || !ignore_.has_exceptions()) return false;
    {
      const Lock lock(mutex_);
      if (const auto known = ignored_dirs_.find(path.str()); known != ignored_dirs_.end()) return known->second;
    }
    bool visible = false;
    for (const std::string& name : TRY(names_in(path))) {
      const RelPath child = path.child(name);
      const auto attr = attr_at(child);
      if (!attr && attr.error().is(ENOENT)) continue;
      if (!attr) return attr.error().clone();
      visible = TRY(is_visible(child, attr->is_dir()));
      if (visible) break;
    }
    const Lock lock(mutex_);
    return ignored_dirs_[path.str()] = visible;
  }

  RelPath path_of(Node node) const {
    const Lock lock(mutex_);
    return paths_[static_cast<std::size_t>(node)];
  }

  Node node_of(const RelPath& path) const {
    const Lock lock(mutex_);
    const auto [at, is_new] = nodes_.emplace(path.str(), Node{paths_.size()});
    if (is_new) paths_.push_back(path);
    return at->second;
  }

  Fd root_;
  dockerfile::IgnoreRules ignore_;
  std::shared_ptr<FileHashes> hashes_;
  mutable Mutex mutex_;
  mutable std::vector<RelPath> paths_ GUARDED_BY(mutex_);  // by node
  mutable std::map<std::string, Node> nodes_ GUARDED_BY(mutex_);
  mutable std::map<std::pair<dev_t, ino_t>, std::uint64_t> links_ GUARDED_BY(mutex_);
  mutable std::map<std::string, bool> ignored_dirs_ GUARDED_BY(mutex_);  // whether something in it is seen
};

}  // namespace

Result<LayerPtr> open_context(const std::string& dir, dockerfile::IgnoreRules ignore, std::shared_ptr<FileHashes> hashes) {
  Fd root = TRY_WITHIN(sys::open(dir, O_PATH | O_DIRECTORY), "opening the build context {}", dir);
  return LayerPtr(std::make_shared<ContextLayer>(std::move(root), std::move(ignore), std::move(hashes)));
}

}  // namespace acetate::build
