// Refresh: another tree takes the lower's place, and what is known is found again in it by name.
//
// Nothing else runs meanwhile (the caller sees to that), so no lock is taken for long. A directory stays the inode it was,
// wherever its entries come from now; a file that is another one now (another number) leaves its place, as if it had been
// renamed over: whoever has it open keeps what he had. No failure stops a refresh half-way: what cannot be looked at is
// let go, and whoever asks for it is told then.
#include <fcntl.h>

#include <deque>
#include <unordered_map>
#include <unordered_set>

#include "base/log.h"
#include "fs/overlay_impl.h"

namespace acetate::fs {

namespace {

// Directories yet to be gone through, with their paths.
struct Visit {
  InodeRef dir;
  std::string path;
};

std::string below(const std::string& path, std::string_view name) {
  return path.empty() ? std::string(name) : path + "/" + std::string(name);
}

// One of them is the other or lies below it.
bool related(std::string_view path, std::string_view within) {
  if (path.size() > within.size()) std::swap(path, within);
  return path.empty() || (within.starts_with(path) && (within.size() == path.size() || within[path.size()] == '/'));
}

}  // namespace

class Overlay::Impl::Refresh {
 public:
  Refresh(Impl& overlay, LayerPtr fresh, std::string_view within, bool keep_replaced)
      : overlay_(overlay), old_(std::exchange(overlay.lower, std::move(fresh))), within_(within), keep_replaced_(keep_replaced) {
    overlay_.listings.clear();
    overlay_.look_ahead.clear();
    overlay_.inodes.use(*overlay_.lower);
    all_ = overlay_.inodes.all();
    for (const InodeRef& inode : all_)
      if (auto place = inode->place()) children_[place->parent.get()].push_back({inode, std::string(place->name.view())});
  }

  Stale run() {
    const Node root = overlay_.lower->root();
    overlay_.lower->hold(root);
    rebase(*overlay_.root, HeldNode(*overlay_.lower, root));
    visits_.push_back({overlay_.root, ""});
    for (; !visits_.empty(); visits_.pop_front()) visit(visits_.front());
    // What has no name any more has no place in the new tree either.
    for (const InodeRef& inode : all_) {
      if (!inode->has_lower || found_again_.contains(inode.get())) continue;
      keep_replaced(*inode);
      rebase(*inode, HeldNode());
    }
    overlay_.handles.each_file([&](OpenFile& file) { reopen(file); });
    return std::move(stale_);
  }

 private:
  struct NamedChild {
    InodeRef inode;
    std::string name;
  };

  void visit(const Visit& at) {
    Inode& dir = *at.dir;
    const bool told = related(at.path, within_);
    if (told) stale_.inodes.push_back(dir.ino);
    std::unordered_set<std::string_view> known;
    for (const NamedChild& child : children_[&dir]) {
      known.insert(child.name);
      look_again(at, child, told);
    }
    if (!told || !dir.has_lower) return;
    // A name that is new may be known to the kernel as absent.
    auto listed = overlay_.lower->list(dir.lower, [&](const DirEntry& entry) {
      if (!known.contains(entry.name)) stale_.entries.push_back({dir.ino, std::string(entry.name)});
      return true;
    });
    if (!listed) log::info("refreshing /{}: {}", at.path, listed.error().message());
  }

  void look_again(const Visit& at, const NamedChild& child, bool told) {
    Inode& inode = *child.inode;
    std::optional<Below> below_it = find(*at.dir, child.name);
    if (inode.is_upper() && !inode.is_dir()) {
      rebase(inode, completes(*at.dir, inode, std::move(below_it)));
      return;
    }
    const bool was_there = inode.is_upper() ||
                           (below_it && (below_it->attr.mode & S_IFMT) == inode.type &&
                            (inode.is_dir() || below_it->attr.ino == inode.st_ino.load(std::memory_order_relaxed)));
    if (!was_there) {
      lose(inode);
      if (told) stale_.entries.push_back({at.dir->ino, child.name});
      return;
    }
    if (inode.is_upper()) {
      rebase(inode, completes(*at.dir, inode, std::move(below_it)));
    } else {
      if (inode.is_dir()) inode.st_ino.store(below_it->attr.ino, std::memory_order_relaxed);
      rebase(inode, std::move(below_it->node));
      if (!inode.is_dir() && related(below(at.path, child.name), within_)) stale_.inodes.push_back(inode.ino);
    }
    if (inode.is_dir()) visits_.push_back({child.inode, below(at.path, child.name)});
  }

  std::optional<Below> find(Inode& dir, std::string_view name) const {
    if (!dir.has_lower) return std::nullopt;
    auto entry = overlay_.lower->lookup(dir.lower, name);
    if (!entry) return std::nullopt;
    return Below{.node = HeldNode(*overlay_.lower, entry->node), .attr = entry->attr};
  }

  // As at a mount: what the upper's directory is merged with, or its file gets its bytes from.
  HeldNode completes(Inode& parent, Inode& inode, std::optional<Below> below_it) {
    if (!inode.is_dir() && !inode.metacopy.load(std::memory_order_relaxed)) return {};
    auto fd = overlay_.upper_fd(inode);
    if (!fd) return {};
    if (inode.is_dir()) {
      auto says = overlay_.read_upper_opacity((*fd)->ref());
      if (!says || *says == Opacity::opaque) return {};
    }
    NameState state{.upper = NameState::In::object, .below = std::move(below_it)};
    state.st.stx_mode = static_cast<std::uint16_t>(inode.type);
    auto node = overlay_.merged_below(parent, (*fd)->ref(), state);
    return node ? *std::move(node) : HeldNode();
  }

  // From now on it has that node of the new tree, or none.
  void rebase(Inode& inode, HeldNode node) {
    inode.keep_name();
    if (inode.has_lower) old_->release(inode.lower);
    inode.has_lower = static_cast<bool>(node);
    if (!node) return;
    inode.lower = node.get();
    found_again_.insert(&inode);
    inode.bare.store(false, std::memory_order_relaxed);
    overlay_.lower->hold(node.get());
    inode.borrow_name();
    if (inode.dir) inode.dir->file_whiteouts.store(Known::not_yet, std::memory_order_relaxed);
  }

  // Where files are not opened nobody says who has this one open: as long as the kernel knows it, somebody may.
  void keep_replaced(const Inode& inode) {
    if (!keep_replaced_ || !inode.has_lower || inode.is_upper() || !S_ISREG(inode.type)) return;
    if (!inode.lookups.any()) return;
    old_->hold(inode.lower);
    HeldNode node(*old_, inode.lower);
    Lock lock(overlay_.replaced_mutex);
    overlay_.replaced.try_emplace(inode.ino, Replaced{old_, std::move(node)});
    overlay_.any_replaced.store(true, std::memory_order_relaxed);
  }

  // It is no longer there, and neither is what was below it. Walked, not recursed into.
  void lose(Inode& lost) {
    std::deque<InodeRef> all{InodeRef(lost)};
    for (; !all.empty(); all.pop_front()) {
      Inode& inode = *all.front();
      for (const NamedChild& child : children_[&inode]) all.push_back(child.inode);
      if (!inode.is_upper()) overlay_.inodes.drop_key(inode);
      keep_replaced(inode);
      rebase(inode, HeldNode());
      if (inode.dir) inode.dir->dead = true;
      if (!inode.is_upper()) inode.leave_place(nullptr);
    }
  }

  void reopen(OpenFile& file) {
    const Inode& inode = *file.inode;
    if (inode.is_upper() || !inode.has_lower) return;
    auto view = overlay_.lower->open(inode.lower);
    if (!view) return;
    file.lower = *std::move(view);
    file.layer = overlay_.lower;
  }

  Impl& overlay_;
  const LayerPtr old_;
  const std::string within_;
  const bool keep_replaced_;
  std::vector<InodeRef> all_;
  std::unordered_map<const Inode*, std::vector<NamedChild>> children_;
  std::unordered_set<const Inode*> found_again_;
  std::deque<Visit> visits_;
  Stale stale_;
};

void Overlay::Impl::forget_replaced(Ino ino) noexcept {
  if (!any_replaced.load(std::memory_order_relaxed)) return;
  std::unordered_map<Ino, Replaced>::node_type gone;  // after the mutex: the last hold may close a layer
  Lock lock(replaced_mutex);
  gone = replaced.extract(ino);
}

Result<Opened> Overlay::open_replaced(Ino ino) {
  InodeRef inode = impl_->inodes.find(ino);
  if (!inode || !impl_->any_replaced.load(std::memory_order_relaxed)) return Error(ESTALE);
  auto file = std::make_shared<OpenFile>(std::move(inode), O_RDONLY);
  HeldNode node;
  {
    Lock lock(impl_->replaced_mutex);
    const auto was = impl_->replaced.find(ino);
    if (was == impl_->replaced.end()) return Error(ESTALE);
    file->layer = was->second.layer;
    file->layer->hold(was->second.node.get());
    node = HeldNode(*file->layer, was->second.node.get());
  }
  file->lower = TRY(file->layer->open(node.get()));
  return Opened{.handle = impl_->handles.add(std::move(file))};
}

Stale Overlay::refresh(LayerPtr fresh, std::string_view within, bool keep_replaced) {
  return Impl::Refresh(*impl_, std::move(fresh), within, keep_replaced).run();
}

}  // namespace acetate::fs
