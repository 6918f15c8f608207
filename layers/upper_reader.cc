// Reads an upper as operations. It is walked as the layer it is, so that every spelling was decoded before
// anything here sees it; what is left is to compare each entry with what lies below it.
#include <algorithm>
#include <unordered_map>

#include "base/sys/xattr.h"
#include "layers/delta.h"
#include "layers/dir_layer.h"
#include "layers/stack.h"
#include "layers/whiteout.h"

namespace acetate {

namespace {

bool same(const std::vector<Xattr>& left, const std::vector<Xattr>& right) {
  return left.size() == right.size() &&
         std::is_permutation(left.begin(), left.end(), right.begin(), [](const Xattr& a, const Xattr& b) {
           return a.name == b.name && a.value == b.value;
         });
}

class UpperReader {
 public:
  UpperReader(LayerPtr upper, const Layer* lower, const DeltaSink& sink, DeltaDepth depth)
      : upper_(std::move(upper)), lower_(lower), sink_(sink), depth_(depth) {}

  Result<void> read();

 private:
  // A directory being walked. A stack of these and no recursion: trees may be deeper than our own stack.
  struct Frame {
    const Layer*
        view;  // where its entries are read: the upper, or the merge where a redirect led into the lower
    HeldNode node;
    RelPath path;
    std::optional<HeldNode> below = {};  // the lower's directory, if what is in it shows here
    std::vector<std::string> removed = {};
    std::vector<std::string> present = {};  // in reverse: the next is the last
  };
  // The lower's entry of a name; nothing when there is none.
  Result<std::optional<Entry>> below(const Frame& dir, std::string_view name) const;
  Result<void> enter(Frame dir);
  Result<void> remove(const Frame& dir, const std::string& name);
  Result<void> add(const Frame& dir, const std::string& name);
  Result<void> add_dir(const Layer& view, HeldNode node, Entry entry, RelPath path,
                       std::optional<Entry> below);
  Result<void> add_leaf(const Layer& view, Node node, const Attr& attr, const RelPath& path);
  Result<const Layer*> merge();

  const LayerPtr upper_;
  const Layer* const lower_;
  const DeltaSink& sink_;
  const DeltaDepth depth_;
  LayerPtr merge_;  // of both, made when something can only be told from it
  std::vector<Frame> open_;
  // Where an inode with several names was first seen, for each view.
  std::unordered_map<const Layer*, std::unordered_map<std::uint64_t, RelPath>> first_names_;
};

Result<const Layer*> UpperReader::merge() {
  if (!merge_) {
    std::vector<LayerPtr> both{upper_};
    if (lower_ != nullptr) both.push_back(LayerPtr(LayerPtr(), lower_));  // borrowed for as long as we are
    merge_ = TRY(make_stack(std::move(both)));
  }
  return merge_.get();
}

Result<void> UpperReader::read() {
  const Node root = upper_->root();
  upper_->hold(root);
  Entry entry{.node = root};
  entry.attr = TRY(upper_->attr(root));
  std::optional<Entry> below;
  if (lower_ != nullptr) {
    lower_->hold(lower_->root());
    below = Entry{.node = lower_->root()};
    below->attr = TRY(lower_->attr(lower_->root()));
  }
  TRY(add_dir(*upper_, HeldNode(*upper_, root), entry, RelPath(), below));
  while (!open_.empty()) {
    Frame& dir = open_.back();
    if (dir.present.empty()) {
      open_.pop_back();
      continue;
    }
    const std::string name = std::move(dir.present.back());
    dir.present.pop_back();
    TRY(add(dir, name));  // may open another, and move `dir`
  }
  return {};
}

// Lists it, tells what is removed from it, and leaves the rest to be walked.
Result<void> UpperReader::enter(Frame dir) {
  TRY_WITHIN(dir.view->list(dir.node.get(),
                            [&](const DirEntry& entry) {
                              auto& names = entry.marker == Marker::whiteout ? dir.removed : dir.present;
                              names.emplace_back(entry.name);
                              return true;
                            }),
             "listing '/{}' of the upper directory", dir.path.str());
  std::sort(dir.removed.begin(), dir.removed.end());
  std::sort(dir.present.rbegin(), dir.present.rend());
  for (const std::string& name : dir.removed) TRY(remove(dir, name));
  dir.removed = {};
  open_.push_back(std::move(dir));
  return {};
}

Result<std::optional<Entry>> UpperReader::below(const Frame& dir, std::string_view name) const {
  if (!dir.below) return std::optional<Entry>();
  auto found = lower_->lookup(dir.below->get(), name);
  if (!found) {
    if (found.error().is(ENOENT)) return std::optional<Entry>();
    return std::move(found).error().within(
        fmt::format("looking for '/{}' in the lower layers", dir.path.child(name).str()));
  }
  if (found->marker == Marker::whiteout) return std::optional<Entry>();
  return std::optional<Entry>(*found);
}

Result<void> UpperReader::remove(const Frame& dir, const std::string& name) {
  if (const auto hidden = TRY(below(dir, name)); hidden) {
    lower_->release(hidden->node);
  } else if (lower_ != nullptr) {
    return {};
  }
  return sink_(DeltaOp{.kind = DeltaOp::Kind::remove, .path = dir.path.child(name)}, nullptr);
}

Result<void> UpperReader::add(const Frame& dir, const std::string& name) {
  const RelPath path = dir.path.child(name);
  const Layer* view = dir.view;
  Entry entry =
      TRY_WITHIN(view->lookup(dir.node.get(), name), "reading '/{}' of the upper directory", path.str());
  HeldNode node(*view, entry.node);

  // Its bytes are in the lower, or its entries are: only the merge of both shows them.
  const bool is_redirected = entry.attr.is_dir() && TRY(view->redirect(entry.node)).has_value();
  if (is_redirected || entry.marker == Marker::metacopy || entry.marker == Marker::link_to) {
    view = TRY(merge());
    auto whole = walk(*view, path);
    if (!whole && whole.error().is(ENOENT)) return {};  // a hard link to nothing
    entry = TRY(std::move(whole));
    node = HeldNode(*view, entry.node);
  }
  if (!entry.attr.is_dir()) return add_leaf(*view, entry.node, entry.attr, path);
  // All of a redirected directory is new at this name, and nothing the lower has under it shows.
  if (is_redirected) entry.marker = Marker::opaque;
  return add_dir(*view, std::move(node), entry, path, TRY(below(dir, name)));
}

Result<void> UpperReader::add_dir(const Layer& view, HeldNode node, Entry entry, RelPath path,
                                  std::optional<Entry> below) {
  using Kind = DeltaOp::Kind;
  Frame frame{.view = &view, .node = std::move(node), .path = path};
  if (below) frame.below.emplace(*lower_, below->node);
  DeltaOp op{.kind = Kind::mkdir, .path = std::move(path), .attr = entry.attr};
  op.xattrs = TRY_WITHIN(view.xattrs(entry.node), "reading the attributes of '/{}'", op.path.str());
  if (below && below->attr.is_dir()) {
    if (entry.marker == Marker::opaque || TRY(view.is_opaque(entry.node))) {
      op.kind = Kind::opaque_dir;
      frame.below.reset();
    } else {
      const Attr &above = entry.attr, &under = below->attr;
      const bool equal = above.mode == under.mode && above.uid == under.uid && above.gid == under.gid &&
                         same(op.xattrs, TRY(lower_->xattrs(below->node)));
      op.kind = equal ? Kind::implicit_dir : Kind::set_metadata;
    }
  } else {
    frame.below.reset();
  }
  TRY(sink_(op, nullptr));
  return enter(std::move(frame));
}

Result<void> UpperReader::add_leaf(const Layer& view, Node node, const Attr& attr, const RelPath& path) {
  DeltaOp op{.kind = DeltaOp::Kind::replace, .path = path, .attr = attr};
  if (attr.nlink > 1) {
    const auto [first, is_new] = first_names_[&view].try_emplace(attr.ino, path);
    if (!is_new) {
      op.kind = DeltaOp::Kind::hardlink;
      op.link_to = first->second;
      return sink_(op, nullptr);
    }
  }
  if (depth_ == DeltaDepth::without_content) return sink_(op, nullptr);
  op.xattrs = TRY_WITHIN(view.xattrs(node), "reading the attributes of '/{}'", path.str());
  if (attr.is_symlink()) op.target = TRY_WITHIN(view.readlink(node), "reading the symlink '/{}'", path.str());
  if (!attr.is_regular()) return sink_(op, nullptr);
  const auto content = TRY_WITHIN(view.open(node), "opening '/{}'", path.str());
  return sink_(op, content.get());
}

}  // namespace

Result<void> read_upper(LayerPtr upper, const Layer* lower, const DeltaSink& sink, DeltaDepth depth) {
  return UpperReader(std::move(upper), lower, sink, depth).read();
}

Result<void> read_upper(Fd upper, const Layer* lower, const DeltaSink& sink, DeltaDepth depth, WhiteoutFiles whiteout_files) {
  // Redirects in "user." are believed where the overlay that wrote it had no other.
  const std::vector<std::string> on_root = TRY_WITHIN(sys::list_xattrs(upper.ref()), "reading the upper directory's attributes");
  const FollowMarks follow = is_begun_without_privilege(on_root) ? FollowMarks::all : FollowMarks::privileged_alone;
  return read_upper(TRY_WITHIN(open_dir_layer(std::move(upper), follow, whiteout_files), "opening the upper directory"), lower, sink, depth);
}

}  // namespace acetate
