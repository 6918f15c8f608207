// The inside of a stack; layers/stack.h is what the world sees.
//
// A node of a stack is, for an object that one layer has, that layer's node with the layer's position in the
// bits above it: nothing is kept for it. Only what several layers make together has an entry in a table: a
// merged directory (the layers that contribute, top first), and a metacopy file (its attributes, its bytes).
#pragma once

#include <atomic>
#include <span>
#include <unordered_map>
#include <vector>

#include "base/mutex.h"
#include "base/rel_path.h"
#include "layers/layer.h"

namespace acetate::stack {

// An object of one layer of the stack. Layers are numbered from the top.
struct Part {
  std::uint32_t layer = 0;
  Node node{};
  // Below a directory that starts afresh without an entry of its own: says what that is like, and contributes no entries. It is
  // the last part.
  bool only_describes = false;
  bool operator==(const Part&) const = default;
};

class StackLayer;

// Parts that are held in their layers for as long as this lives.
class Parts {
 public:
  explicit Parts(const StackLayer& stack) noexcept : stack_(&stack) {}
  Parts(Parts&& other) noexcept : stack_(other.stack_), parts_(std::move(other.parts_)) {
    other.parts_.clear();
  }
  Parts& operator=(Parts&& other) noexcept {
    std::swap(stack_, other.stack_);
    std::swap(parts_, other.parts_);
    return *this;
  }
  ~Parts() { clear(); }

  void adopt(Part part) { parts_.push_back(part); }  // its hold becomes ours
  void clear() noexcept;
  std::vector<Part> release() noexcept { return std::exchange(parts_, {}); }
  Part release_last() noexcept {
    const Part last = parts_.back();
    parts_.pop_back();
    return last;
  }
  bool empty() const noexcept { return parts_.empty(); }
  std::span<const Part> all() const noexcept { return parts_; }

 private:
  const StackLayer* stack_;
  std::vector<Part> parts_;
};

// What stands at one name of the merged tree.
struct Merged {
  explicit Merged(const StackLayer& stack) : parts(stack) {}
  Parts parts;                              // a directory's contributors; a metacopy's two; else one
  Attr attr;                                // the topmost's, its ino made unique
  std::optional<std::uint64_t> known = {};  // a directory merged before: its id, held; `parts` is empty then
};

// Redirects followed on the way to one answer: as with symlinks, there is an end to it (ELOOP).
inline constexpr int kMostRedirects = 64;

// The table of what several layers make together. Thread-safe.
class Table {
 public:
  // An entry's parts never change; they are alive while its node is held.
  std::span<const Part> parts(std::uint64_t id) const;
  // The id of what was already merged with `top` as its topmost part, held once more; nothing if not there.
  std::optional<std::uint64_t> find(Part top);
  // The same, putting `parts` there if it was not. Whichever comes first stays; `parts` gives its holds up
  // only when it is the one that stays.
  std::uint64_t intern(Parts& parts);
  void hold(std::uint64_t id) noexcept;
  // What the last release of an entry leaves to be released in the layers.
  std::vector<Part> release(std::uint64_t id) noexcept;

 private:
  struct Entry {
    std::vector<Part> parts;
    std::atomic<std::uint64_t> holds{1};
  };
  struct HashPart {
    std::size_t operator()(const Part& part) const noexcept {
      return std::hash<std::uint64_t>()(static_cast<std::uint64_t>(part.node) * 0x9e3779b97f4a7c15U +
                                        part.layer);
    }
  };

  mutable SharedMutex mutex_;
  std::unordered_map<std::uint64_t, Entry> entries_ GUARDED_BY(mutex_);
  std::unordered_map<Part, std::uint64_t, HashPart> by_top_ GUARDED_BY(mutex_);
  std::uint64_t last_id_ GUARDED_BY(mutex_) = 0;
};

class StackLayer final : public Layer {
 public:
  // Precondition: at least one layer, at most kMostLayers.
  explicit StackLayer(std::vector<LayerPtr> top_to_bottom);
  // Finds out which roots contribute to the root.
  Result<void> open();

  static constexpr std::uint32_t kMostLayers = 32767;

  Node root() const override { return root_; }
  bool implies_directories() const override;
  bool may_have_xattrs() const override;
  Result<Entry> lookup(Node dir, std::string_view name) const override;
  Result<Attr> attr(Node node) const override;
  Result<void> list(Node dir, const std::function<bool(const DirEntry&)>& each) const override;
  Result<std::unique_ptr<FileView>> open(Node node) const override;
  Result<std::string> readlink(Node node) const override;
  Result<std::vector<Xattr>> xattrs(Node node) const override;
  Result<std::string> xattr(Node node, std::string_view name) const override;
  Result<std::optional<Digest>> content_id(Node node) const override;
  void hold(Node node) const noexcept override;
  void release(Node node) const noexcept override;
  const char* held_name(Node node) const noexcept override;
  dev_t device() const override { return device_; }

  const std::vector<LayerPtr>& layers() const noexcept { return layers_; }
  const Layer& layer(Part part) const noexcept { return *layers_[part.layer]; }
  // Whose attributes and xattrs a held node has.
  Part top_of(Node node) const;

 private:
  // --- nodes (stack_nodes.cc)
  // A node's parts; `single` is where the one part of an unmerged node is put.
  std::span<const Part> parts_of(Node node, Part& single) const;
  // The topmost that does not only imply the directory: an image without an entry for /tmp does not change its mode. Where
  // none is, or it is no directory, the first.
  Part describing(std::span<const Part> parts) const;
  Node node_of(Merged& merged) const;
  Attr unique(std::uint32_t layer, Attr attr) const noexcept;
  std::uint64_t unique_ino(std::uint32_t layer, std::uint64_t ino) const noexcept;

  // --- merging (stack_merge.cc)
  enum class Memory { look, ignore };  // whether Merged::known is a welcome answer
  Result<Merged> find(std::span<const Part> dirs, std::string_view name, int& redirects, Memory memory) const;
  // In the tree that the layers from `first` on make.
  Result<Merged> walk_below(std::uint32_t first, const RelPath& path, int& redirects) const;
  Result<Parts> roots_from(std::uint32_t first) const;
  Result<Merged> resolve_link(Part link, int& redirects) const;
  // Where what belongs to `part` is to be looked for in the layers below it.
  struct Below;
  Result<std::optional<Below>> redirected(Part part, int& redirects) const;
  Result<void> add_data(Merged& metacopy, std::span<const Part> dirs_below, std::string_view name,
                        int& redirects) const;

  // --- listing (stack_list.cc)
  // Passes one layer's entry on as the stack's, if it is one; false when `each` wants no more.
  Result<bool> tell(Part dir, const DirEntry& entry, const std::function<bool(const DirEntry&)>& each) const;
  Result<void> list_merged(std::span<const Part> dirs,
                           const std::function<bool(const DirEntry&)>& each) const;

  std::vector<LayerPtr> layers_;
  std::vector<std::uint32_t> group_;  // of each layer: those with one number share their inode numbers
  std::vector<bool> root_is_opaque_;
  dev_t device_ = 0;
  bool one_group_ = true;
  Node root_{};
  mutable Table table_;
};

}  // namespace acetate::stack
