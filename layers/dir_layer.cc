// A directory tree as a layer. An entry is reached by its directory's descriptor and its name, so a held node
// costs no descriptor; descriptors of directories and their decoded listings are cached for the whole
// process, bounded, and come back when they are asked for again.
#include "layers/dir_layer.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>

#include "base/log.h"
#include "base/sys/file.h"
#include "base/sys/mount.h"
#include "base/sys/xattr.h"
#include "layers/dir_names.h"
#include "layers/dir_nodes.h"
#include "layers/lru_cache.h"
#include "layers/plain_file.h"
#include "layers/whiteout.h"

namespace acetate {

namespace {

using dir::Item;
using dir::Names;
using dir::Nodes;
using dir::Reading;

constexpr std::size_t kNamesBytes = 64U << 20;

// A quarter of what the process may have open, so that files and everybody else find room.
std::size_t most_descriptors() {
  const long limit = ::sysconf(_SC_OPEN_MAX);
  return static_cast<std::size_t>(std::clamp(limit / 4, 16L, 4096L));
}

// What all directory layers of the process share, by node number.
LruCache<Fd>& descriptors() {
  static LruCache<Fd> cache(most_descriptors());
  return cache;
}
LruCache<Names>& listings() {
  static LruCache<Names> cache(kNamesBytes);
  return cache;
}

// Opens; when there is no descriptor left, gives back the cached ones and tries once more.
template <class F>
Result<Fd> with_room(F&& open) {
  auto opened = open();
  if (opened || !(opened.error().is(EMFILE) || opened.error().is(ENFILE))) return opened;
  descriptors().clear();
  return open();
}

class DirLayer final : public Layer {
 public:
  DirLayer(Fd root, const Reading& reading, FollowMarks follow)
      : root_(std::make_shared<const Fd>(std::move(root))), reading_(reading), follow_(follow), nodes_([](const Item& dir) {
          descriptors().erase(dir.id());
          listings().erase(dir.id());
        }) {}

  Node root() const override { return nodes_.root().node(); }
  Result<Entry> lookup(Node dir, std::string_view name) const override;
  Result<Attr> attr(Node node) const override;
  Result<void> list(Node dir, const std::function<bool(const DirEntry&)>& each) const override;
  Result<std::unique_ptr<FileView>> open(Node node) const override;
  Result<std::string> readlink(Node node) const override;
  Result<std::vector<Xattr>> xattrs(Node node) const override;
  Result<bool> is_opaque(Node dir) const override;
  Result<std::optional<std::string>> redirect(Node node) const override;
  void hold(Node node) const noexcept override { nodes_.hold(node); }
  void release(Node node) const noexcept override { nodes_.release(node); }
  const char* held_name(Node node) const noexcept override { return nodes_.get(node).name(); }
  dev_t device() const override { return reading_.device; }

 private:
  using SharedFd = std::shared_ptr<const Fd>;

  Result<SharedFd> descriptor(const Item& dir) const;
  // Of the directory an item is in: with the item's name, the way to it. Of the root: itself, with "".
  Result<SharedFd> way_to(const Item& item) const {
    return item.parent == nullptr ? root_ : descriptor(*item.parent);
  }
  Result<std::shared_ptr<const Names>> names(const Item& dir) const;
  Result<Fd> open_to_read(const Item& item, int flags) const;

  const SharedFd root_;
  const Reading reading_;
  const FollowMarks follow_;
  mutable std::atomic<bool> has_told_{false};  // that a redirect was refused
  mutable Nodes nodes_;
};

// An attribute of an item by its way, an open root included.
Result<std::string> get_xattr_of(FdRef way, const Item& item, const char* name) {
  return item.parent == nullptr ? sys::get_xattr(way, name) : sys::get_xattr(item.at(way), name);
}
Result<std::vector<std::string>> list_xattrs_of(FdRef way, const Item& item) {
  return item.parent == nullptr ? sys::list_xattrs(way) : sys::list_xattrs(item.at(way));
}

constexpr const char* kTrustedMetacopy = "trusted.overlay.metacopy";

bool names(const std::vector<std::string>& xattrs, std::string_view name) {
  return std::find(xattrs.begin(), xattrs.end(), name) != xattrs.end();
}
bool names_metacopy(const std::vector<std::string>& xattrs) {
  return names(xattrs, kTrustedMetacopy) || names(xattrs, "user.overlay.metacopy");
}

Result<std::shared_ptr<const Fd>> DirLayer::descriptor(const Item& dir) const {
  // Up to the first directory that is open, then down again.
  std::vector<const Item*> closed;
  SharedFd fd;
  for (const Item* at = &dir; !fd; at = at->parent) {
    fd = at->parent == nullptr ? root_ : descriptors().get(at->id());
    if (!fd) closed.push_back(at);
  }
  for (auto item = closed.rbegin(); item != closed.rend(); ++item) {
    const SharedFd parent = fd;
    fd = std::make_shared<const Fd>(TRY(
        with_room([&] { return sys::open((*item)->at(parent->ref()), O_PATH | O_DIRECTORY | O_NOFOLLOW); })));
    descriptors().put((*item)->id(), fd, 1);
  }
  return fd;
}

Result<Fd> DirLayer::open_to_read(const Item& item, int flags) const {
  const SharedFd way = TRY(way_to(item));
  return with_room([&] {
    return item.parent == nullptr ? sys::reopen(way->ref(), flags)
                                  : sys::open(item.at(way->ref()), flags | O_NOFOLLOW);
  });
}

Result<std::shared_ptr<const Names>> DirLayer::names(const Item& dir) const {
  if (auto cached = listings().get(dir.id())) return cached;
  auto opened = open_to_read(dir, O_RDONLY | O_DIRECTORY);
  if (!opened && opened.error().is(EACCES)) {
    // Somebody else's, who lets others pass through it (0711): its names are asked for one by one, as who looks up a path does.
    auto unlisted = std::make_shared<const Names>(TRY(Names::unlisted(TRY(descriptor(dir))->ref())));
    listings().put(dir.id(), unlisted, unlisted->bytes());
    return unlisted;
  }
  auto fd = std::make_shared<const Fd>(TRY(std::move(opened)));
  auto read = std::make_shared<const Names>(TRY(Names::read(fd->ref(), reading_)));
  listings().put(dir.id(), read, read->bytes());
  if (dir.parent != nullptr) descriptors().put(dir.id(), std::move(fd), 1);
  return read;
}

Result<Entry> DirLayer::lookup(Node node, std::string_view name) const {
  const Item& dir = nodes_.get(node);
  if (!dir.is_dir()) return Error(ENOTDIR);
  const auto listing = TRY(names(dir));
  const Names::Name* listed = listing->find(name);
  const std::string terminated(name);
  std::optional<Names::Name> asked;
  if (!listing->is_listed()) {
    asked = TRY(listing->ask(TRY(descriptor(dir))->ref(), terminated, reading_));
    if (asked) listed = &*asked;
  }
  if (listed == nullptr) return Error(ENOENT);
  if (listed->whiteout) return Entry{.node = {}, .attr = {}, .marker = Marker::whiteout};

  const SharedFd fd = TRY(descriptor(dir));
  const FileAt at{fd->ref(), terminated.c_str()};
  const dir::Stat stat = TRY(dir::stat_entry(at, reading_));
  dir::Kind kind{.type = static_cast<std::uint16_t>(stat.attr.mode & S_IFMT), .stored_as_file = stat.stored_as_file, .fresh = listed->fresh, .may_redirect = listing->impure()};

  Entry entry{.node = {}, .attr = stat.attr};
  if (stat.attr.is_dir() && kind.fresh) entry.marker = Marker::opaque;
  // A metacopy lies in an impure directory. A tree that was copied may have lost that mark, but not the hole
  // that such a file is.
  const bool all_hole = stat.attr.size > 0 && stat.attr.blocks == 0;
  if (stat.attr.is_regular() && (listing->impure() || all_hole)) {
    const std::vector<std::string> xattrs = TRY(sys::list_xattrs(at));
    kind.metacopy = names_metacopy(xattrs);
    if (follow_ != FollowMarks::none && acetate::names(xattrs, kTrustedMetacopy)) {
      entry.marker = Marker::metacopy;
      kind.may_redirect = true;
    }
  }
  entry.node = nodes_.acquire(dir, name, kind).node();
  return entry;
}

Result<Attr> DirLayer::attr(Node node) const {
  const Item& item = nodes_.get(node);
  const SharedFd way = TRY(way_to(item));
  return TRY(dir::stat_entry(item.at(way->ref()), reading_)).attr;
}

Result<void> DirLayer::list(Node node, const std::function<bool(const DirEntry&)>& each) const {
  const Item& dir = nodes_.get(node);
  if (!dir.is_dir()) return Error(ENOTDIR);
  const auto listing = TRY(names(dir));
  if (!listing->is_listed()) return Error(EACCES);
  for (const Names::Name& name : listing->all()) {
    const Marker marker = name.whiteout ? Marker::whiteout : Marker::none;
    if (!each(DirEntry{.name = listing->text(name), .type = name.type, .marker = marker, .ino = name.ino}))
      break;
  }
  return {};
}

Result<std::unique_ptr<FileView>> DirLayer::open(Node node) const {
  const Item& item = nodes_.get(node);
  if (item.is_dir()) return Error(EISDIR);
  // Known before it is opened: opening a fifo waits, and opening a device may act.
  if (!S_ISREG(item.kind.type)) return Error(EINVAL);
  Fd file = TRY(open_to_read(item, O_RDONLY | O_NOCTTY));
  const struct stat st = TRY(sys::stat(file.ref()));
  if (!S_ISREG(st.st_mode)) return Error(ESTALE);
  const auto size = static_cast<std::uint64_t>(st.st_size);
  const bool has_holes = static_cast<std::uint64_t>(st.st_blocks) * 512 < size;
  if (item.kind.metacopy || (has_holes && names_metacopy(TRY(sys::list_xattrs(file.ref()))))) {
    Error refusal =
        fail(EIO,
             "'{}' has only its attributes here (the kernel overlay's metacopy), and the layer with its "
             "bytes is not below this one, or nobody who could be trusted with it says which it is",
             item.name());
    log::error("{}", refusal.message());
    return refusal;
  }
  return plain_file_view(std::move(file), size);
}

Result<std::string> DirLayer::readlink(Node node) const {
  const Item& item = nodes_.get(node);
  if (!S_ISLNK(item.kind.type)) return Error(EINVAL);
  if (item.kind.stored_as_file) {
    const Fd file = TRY(open_to_read(item, O_RDONLY | O_NOCTTY));
    return sys::read_all(file.ref(), 1U << 16);
  }
  const SharedFd way = TRY(way_to(item));
  return sys::readlink(item.at(way->ref()));
}

Result<std::vector<Xattr>> DirLayer::xattrs(Node node) const {
  const Item& item = nodes_.get(node);
  const SharedFd way = TRY(way_to(item));
  std::vector<Xattr> all;
  for (const std::string& stored : TRY(list_xattrs_of(way->ref(), item))) {
    auto name = overridden_xattr(reading_.override_mode, stored);
    if (!name) name = visible_xattr(stored);
    if (!name) continue;
    auto value = get_xattr_of(way->ref(), item, stored.c_str());
    // Some names are listed and cannot be read (an access control list that is not there, as some say it).
    if (!value && (value.error().is(ENODATA) || value.error().is(ENOTSUP))) continue;
    if (!value) return std::move(value).error();
    all.push_back({*std::move(name), *std::move(value)});
  }
  return all;
}

Result<bool> DirLayer::is_opaque(Node node) const {
  const Item& dir = nodes_.get(node);
  if (!dir.is_dir()) return false;
  return dir.kind.fresh || TRY(names(dir))->opaque();
}

Result<std::optional<std::string>> DirLayer::redirect(Node node) const {
  const Item& item = nodes_.get(node);
  if (!item.kind.may_redirect) return std::optional<std::string>();
  const SharedFd way = TRY(way_to(item));
  for (const auto& [name, is_followed] : {std::pair("trusted.overlay.redirect", follow_ != FollowMarks::none),
                                          std::pair("user.overlay.redirect", follow_ == FollowMarks::all)}) {
    auto value = get_xattr_of(way->ref(), item, name);
    if (value && !is_followed) {
      if (follow_ == FollowMarks::privileged_alone) continue;
      Error refusal = fail(EPERM, "refusing to follow the redirect of '{}' ({}){}", item.name(), name, follow_ == FollowMarks::none ? "" : ": redirect_dir=follow allows it");
      if (!has_told_.exchange(true)) log::warn("{}", refusal.message());
      return refusal;
    }
    if (value) return std::optional<std::string>(*std::move(value));
    if (!value.error().is(ENODATA) && !value.error().is(ENOTSUP)) return std::move(value).error();
  }
  return std::optional<std::string>();
}

// How far getdents can be believed below this root.
Result<Reading::Distrust> distrust_of(FdRef root) {
  const struct statfs fs = TRY(sys::statfs(root));
  if (fs.f_type == OVERLAYFS_SUPER_MAGIC) return Reading::Distrust::everything;
  const sys::ProcFdPath link(root);
  const std::string path = TRY(sys::readlink(FileAt{kWorkingDir, link.c_str()})) + "/";
  for (const sys::MountInfo& mount : TRY(sys::mounts()))
    if (mount.mount_point.starts_with(path)) return Reading::Distrust::everything;
  return fs.f_type == BTRFS_SUPER_MAGIC ? Reading::Distrust::directories : Reading::Distrust::nothing;
}

}  // namespace

Result<LayerPtr> open_dir_layer(Fd root, FollowMarks follow, WhiteoutFiles whiteout_files) {
  const struct stat st = TRY(sys::stat(root.ref()));
  if (!S_ISDIR(st.st_mode)) return fail(ENOTDIR, "a directory layer's root is no directory");
  Reading reading{.override_mode = override_mode_of(TRY(sys::list_xattrs(root.ref()))), .device = st.st_dev};
  reading.distrust = TRY(distrust_of(root.ref()));
  reading.whiteout_files = whiteout_files;
  return LayerPtr(std::make_shared<DirLayer>(std::move(root), reading, follow));
}

}  // namespace acetate
