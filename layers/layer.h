// Layer: a read-only tree. A directory, a tarball, a list in memory and a stack of layers are all layers, so
// whoever reads an image cannot tell one from another.
//
// A layer is read by node, never by whole path: the caller walks. Symlinks are never followed.
#pragma once

#include <sys/stat.h>
#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/digest.h"
#include "base/fd.h"
#include "base/result.h"

namespace acetate {

// Names an object of one layer for as long as it is held (Layer::hold): after that it may name another. Fits in 47 bits, so that a stack can put its
// own number above it. A hard link's names share one node where the layer can tell, and one name that is looked up twice need not have the same.
enum class Node : std::uint64_t {};
inline constexpr std::uint64_t kNodeBits = 47;

// The part of stat(2) that a layer can answer. Ids are as the image records them, never mapped.
struct Attr {
  mode_t mode = 0;  // with the S_IFMT bits
  uid_t uid = 0;
  gid_t gid = 0;
  std::uint32_t nlink = 1;  // directories: 1, which find(1) and fts(3) read as "not counted"
  std::uint64_t size = 0;   // symlinks: the length of the target
  std::uint64_t blocks = 0;  // of 512 bytes, as st_blocks; holes not counted where known
  dev_t rdev = 0;
  std::uint64_t ino = 0;  // unique within the layer; hard links share it; the same at every mount of it
  timespec atime{};
  timespec mtime{};
  timespec ctime{};
  timespec btime{};  // zero where unknown
  // A directory that its layer only tells of by what lies in it: what it is like, a layer below may know.
  bool is_implied = false;

  bool is_dir() const noexcept { return S_ISDIR(mode); }
  bool is_regular() const noexcept { return S_ISREG(mode); }
  bool is_symlink() const noexcept { return S_ISLNK(mode); }
};

// What an entry means for the layers below it. Every spelling (device 0:0, ".wh.NAME", xattrs) is decoded by
// the layer; nobody above it sees one.
enum class Marker : std::uint8_t {
  none,      // an ordinary entry
  whiteout,  // there is nothing here, and nothing below shows; attr is meaningless
  opaque,    // a directory that hides what the layers below have in it; see also Layer::is_opaque
  link_to,   // a hard link to a path this layer does not hold: see Layer::link_target
  metacopy,  // a regular file with its own attributes and the bytes of the file below it; see Layer::redirect
};

// Answer of lookup. `node` is held: the caller owes one release() (whiteouts have no node and owe nothing).
struct Entry {
  Node node{};
  Attr attr;
  Marker marker = Marker::none;
};

// One name of a listing. `ino` equals Attr::ino of the same object. Opacity is not told in listings.
struct DirEntry {
  std::string_view name;  // valid during the callback only
  unsigned char type;     // DT_*; never DT_UNKNOWN
  Marker marker;          // none, whiteout or link_to
  std::uint64_t ino;
};

struct Xattr {
  std::string name;
  std::string value;
};

// Bytes that lie plain in a file, for copy_file_range and for reads without our buffers. The descriptor is
// borrowed, and `pin` keeps the bytes where they are (across processes too) until it is dropped.
struct Extent {
  FdRef fd;
  std::uint64_t fd_offset = 0;
  std::uint64_t length = 0;
  std::shared_ptr<const void> pin;
};

// A stretch of a file: data, or a hole up to the next data or the end.
struct Segment {
  std::uint64_t offset = 0;
  std::uint64_t length = 0;
  bool hole = false;
};

// The bytes of one regular file. Safe for concurrent calls. Outlives the node's release, not the layer.
class FileView {
 public:
  virtual ~FileView() = default;
  virtual std::uint64_t size() const = 0;
  // Fills `into` or reads up to the end of the file: less than asked means the end, never a hiccup. EIO where
  // the bytes cannot be had or do not verify; wrong bytes never.
  virtual Result<std::size_t> pread(std::span<std::byte> into, std::uint64_t offset) const = 0;
  // The same bytes, but only as far as they are at hand: fewer, or none, where they would have to be decoded, fetched or waited for (as
  // far as one can tell).
  virtual Result<std::size_t> pread_at_hand(std::span<std::byte> /*into*/, std::uint64_t /*offset*/) const { return std::size_t{0}; }
  // The plain bytes at `offset`, as far as they reach in one piece; nothing where they are not plain or are a
  // hole. Never longer than the file.
  virtual std::optional<Extent> extent(std::uint64_t /*offset*/) const { return std::nullopt; }
  // The stretch that `offset` (below size()) lies in, beginning at `offset`.
  virtual Segment segment(std::uint64_t offset) const { return {offset, size() - offset, false}; }
};

// A read-only tree. Thread-safe throughout. Immutable: the same question has the same answer for as long as
// it lives (refreshing a directory makes a new Layer). ENOENT is an answer and allocates nothing; absence is
// answered only when it is proven, so EIO, EMFILE and EACCES are reported as themselves.
class Layer {
 public:
  Layer() = default;
  Layer(const Layer&) = delete;
  Layer& operator=(const Layer&) = delete;
  virtual ~Layer() = default;

  // The root directory; needs no release.
  virtual Node root() const = 0;

  // Whether Attr::is_implied can be true of anything here: asking for attributes may cost a system call.
  virtual bool implies_directories() const { return false; }

  // ENOENT: not here. A whiteout is a success with that marker. ENOTDIR when `dir` is none. `name` is one
  // component.
  virtual Result<Entry> lookup(Node dir, std::string_view name) const = 0;

  virtual Result<Attr> attr(Node node) const = 0;

  // Every entry once, whiteouts included, "." and ".." not, in an order that is the same at each call, until
  // the callback returns false. No spelling of ours or anybody's (".wh.…") is ever a name.
  virtual Result<void> list(Node dir, const std::function<bool(const DirEntry&)>& each) const = 0;

  // EISDIR, EINVAL (not a regular file).
  virtual Result<std::unique_ptr<FileView>> open(Node node) const = 0;
  // EINVAL when it is not a symlink.
  virtual Result<std::string> readlink(Node node) const = 0;
  // False where it is known, without looking at each, that nothing in the layer has any.
  virtual bool may_have_xattrs() const { return true; }
  // Without those that are our own or the kernel overlay's bookkeeping.
  virtual Result<std::vector<Xattr>> xattrs(Node node) const = 0;
  // One of them; ENODATA.
  virtual Result<std::string> xattr(Node node, std::string_view name) const;
  // Where an entry with Marker::link_to points: a path from the root of the image.
  virtual Result<std::string> link_target(Node /*node*/) const { return Error(EINVAL); }

  // What a merge has to know of a held directory, and only while layers lie below: so that a layer which must
  // go to the disk for it is asked late, and not at each lookup. A layer whose lookup always tells by
  // Marker::opaque needs to answer this for its root only, which no lookup ever finds.
  virtual Result<bool> is_opaque(Node /*dir*/) const { return false; }
  // Where the layers below have what belongs to this directory or metacopy file, when it is not the same name
  // in the same directory (the kernel overlay's "redirect"): "/a/b" from the root, or the name of a sibling.
  virtual Result<std::optional<std::string>> redirect(Node /*node*/) const { return std::optional<std::string>(); }

  // SHA-256 of a regular file's bytes where it is known without reading them; nothing yet otherwise.
  virtual Result<std::optional<Digest>> content_id(Node /*node*/) const { return std::optional<Digest>(); }

  // Takes another hold of a held node, or gives one back. Layers whose nodes cost nothing do nothing. Of the
  // root, they may be called in pairs.
  virtual void hold(Node /*node*/) const noexcept {}
  virtual void release(Node /*node*/) const noexcept {}
  // The name that a held node was found by, NUL-terminated, where the layer keeps it for as long as the node is held: so that nobody else has to.
  // Null where it does not.
  virtual const char* held_name(Node /*node*/) const noexcept { return nullptr; }

  // All inodes of layers with the same number lie on one file system whose st_ino are unique among them; 0:
  // the layer's `ino` are its own.
  virtual dev_t device() const { return 0; }
};

using LayerPtr = std::shared_ptr<const Layer>;

// Holds a node for as long as it lives.
class HeldNode {
 public:
  HeldNode() = default;
  HeldNode(const Layer& layer, Node node) noexcept : layer_(&layer), node_(node) {}  // adopts one hold
  HeldNode(HeldNode&& other) noexcept : layer_(std::exchange(other.layer_, nullptr)), node_(other.node_) {}
  HeldNode& operator=(HeldNode&& other) noexcept {
    HeldNode moved(std::move(other));
    std::swap(layer_, moved.layer_);
    std::swap(node_, moved.node_);
    return *this;
  }
  ~HeldNode() {
    if (layer_ != nullptr) layer_->release(node_);
  }
  explicit operator bool() const noexcept { return layer_ != nullptr; }
  Node get() const noexcept { return node_; }

 private:
  const Layer* layer_ = nullptr;
  Node node_{};
};

// The DT_* of a mode.
constexpr unsigned char dirent_type(mode_t mode) noexcept { return static_cast<unsigned char>((mode & S_IFMT) >> 12); }

}  // namespace acetate
