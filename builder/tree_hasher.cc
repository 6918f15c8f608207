#include "builder/tree_hasher.h"

#include <dirent.h>
#include <sys/stat.h>

#include <algorithm>

#include "layers/first_names.h"
#include "layers/stack.h"

namespace acetate::build {

namespace {

constexpr std::string_view kEnd("\0", 1);

}  // namespace

Result<std::size_t> add_changed(const Layer& layer, const std::stop_token& stop, Paths& changed) {
  struct Open {
    Node dir;
    HeldNode held;
    std::string path;
  };
  std::size_t names = 0;
  std::vector<Open> open;
  open.push_back({.dir = layer.root(), .held = {}, .path = ""});
  while (!open.empty()) {
    if (stop.stop_requested()) return Error(ECANCELED);
    const Open dir = std::move(open.back());
    open.pop_back();
    std::vector<std::string> below;
    TRY(layer.list(dir.dir, [&](const DirEntry& entry) {
      ++names;
      if (entry.type == DT_DIR && entry.marker == Marker::none) below.emplace_back(entry.name);
      return true;
    }));
    for (const std::string& name : below) {
      const Entry entry = TRY(layer.lookup(dir.dir, name));
      open.push_back({.dir = entry.node, .held = HeldNode(layer, entry.node), .path = dir.path.empty() ? name : dir.path + "/" + name});
    }
    changed.insert(dir.path);
  }
  return names;
}

// A directory that is being hashed. How deep they go is for whoever made the tree to say, so the way up is kept on no call stack.
struct TreeHasher::Open {
  Node dir;
  HeldNode held;
  std::string path;
  std::vector<std::string> names = {};  // to be visited, the last first
  Sha256 hash = {};
};

Result<TreeHasher::Open> TreeHasher::enter(Node dir, HeldNode held, std::string path) const {
  Open open{.dir = dir, .held = std::move(held), .path = std::move(path)};
  TRY(tree_.list(dir, [&](const DirEntry& entry) {
    open.names.emplace_back(entry.name);
    return true;
  }));
  std::sort(open.names.begin(), open.names.end(), std::greater<>());
  return open;
}

Result<std::string> TreeHasher::describe(const std::string& path, const Entry& entry) {
  const Attr& attr = entry.attr;
  std::string text = fmt::format("{:o} {}:{}", attr.mode, attr.uid, attr.gid);
  if (attr.is_symlink()) text += " to " + TRY(tree_.readlink(entry.node));
  if (S_ISCHR(attr.mode) || S_ISBLK(attr.mode)) text += fmt::format(" device {}", attr.rdev);
  if (attr.is_regular()) text += fmt::format(" {} bytes {}", attr.size, TRY(content_(path, entry.node)).hex());
  if (has_xattrs_)
    for (const Xattr& xattr : TRY(tree_.xattrs(entry.node))) text += fmt::format(" {}={}", xattr.name, Digest::of(xattr.value).hex());
  if (!attr.is_dir() && attr.nlink > 1) linked_.insert(path);
  return text;
}

const DigestList::Line* TreeHasher::unchanged(const std::string& path) const {
  if (!below_ || below_->changed.contains(path)) return nullptr;
  const DigestList::Line* line = below_->list.find(path);
  return line == nullptr || line->hex.empty() ? nullptr : line;
}

Result<Digest> TreeHasher::hash_root() {
  std::vector<Open> open;
  open.push_back(TRY(enter(tree_.root(), {}, "")));
  for (;;) {
    Open& dir = open.back();
    if (dir.names.empty()) {
      const Digest digest = dir.hash.finish();
      directories_.emplace(dir.path, digest);
      open.pop_back();
      if (open.empty()) return digest;
      open.back().hash.update(digest.hex());
      open.back().hash.update(kEnd);
      continue;
    }
    if (stop_.stop_requested()) return Error(ECANCELED);
    const std::string name = std::move(dir.names.back());
    dir.names.pop_back();
    const Entry entry = TRY(tree_.lookup(dir.dir, name));
    HeldNode held(tree_, entry.node);
    std::string path = dir.path.empty() ? name : dir.path + "/" + name;
    dir.hash.update(name);
    dir.hash.update(kEnd);
    dir.hash.update(TRY(describe(path, entry)));
    dir.hash.update(kEnd);
    if (!entry.attr.is_dir()) continue;
    if (const DigestList::Line* known = unchanged(path)) {
      dir.hash.update(known->hex);
      dir.hash.update(kEnd);
      taken_.insert(std::move(path));
    } else {
      open.push_back(TRY(enter(entry.node, std::move(held), std::move(path))));
    }
  }
}

// Those below are asked again, wherever they are: another layer may have put something else in the place of one.
Result<void> TreeHasher::hash_links(Sha256& hash) {
  if (below_)
    for (const DigestList::Line& line : below_->list.lines())
      if (line.hex.empty()) linked_.emplace(line.path);
  FirstNames first_names(tree_);
  for (auto path = linked_.begin(); path != linked_.end();) {
    if (stop_.stop_requested()) return Error(ECANCELED);
    auto found = walk(tree_, TRY(RelPath::parse(*path)));
    if (!found && !found.error().is(ENOENT) && !found.error().is(ENOTDIR)) return std::move(found).error();
    const HeldNode held = found ? HeldNode(tree_, found->node) : HeldNode();
    if (!found || found->attr.is_dir() || found->attr.nlink <= 1) {
      path = linked_.erase(path);
      continue;
    }
    hash.update(*path);
    hash.update(kEnd);
    hash.update(first_names.of(found->node, *path));
    hash.update(kEnd);
    ++path;
  }
  return {};
}

Result<Digest> TreeHasher::run() {
  Sha256 hash;
  const Attr attr = TRY(tree_.attr(tree_.root()));
  hash.update(TRY(describe("", {.node = tree_.root(), .attr = attr})));
  hash.update(kEnd);
  hash.update(TRY(hash_root()).hex());
  hash.update(kEnd);
  TRY(hash_links(hash));
  return hash.finish();
}

PathDigests TreeHasher::learned() const {
  PathDigests all = directories_;
  for (const std::string& path : linked_) all.emplace(path, std::nullopt);
  if (!below_) return all;
  for (const DigestList::Line& line : below_->list.lines()) {
    if (line.hex.empty()) continue;
    // Of those that were taken as they are, with all in them.
    for (std::size_t end = line.path.size(); end != std::string_view::npos && end > 0; end = line.path.rfind('/', end - 1)) {
      if (!taken_.contains(std::string(line.path.substr(0, end)))) continue;
      all.emplace(line.path, Digest::from_hex(line.hex));
      break;
    }
  }
  return all;
}

}  // namespace acetate::build
