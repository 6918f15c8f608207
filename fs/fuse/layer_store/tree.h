// The tree of an additional layer store, as containers/storage looks layers up in one (drivers/overlay/overlay.go,
// getAdditionalLayerPath()):
//
//   BASE64(REFERENCE)/DIGEST/diff/   the layer as the lower directory of an overlay, whiteouts as devices 0:0
//   BASE64(REFERENCE)/DIGEST/info    what it is, JSON as layers.json has it
//   BASE64(REFERENCE)/DIGEST/blob    the blob
//
// Names appear when they are looked up: an image that nobody knows is asked for then. All of it but what is inside the layers is for its
// owner alone (0700, 0400), so that nobody else comes as far as that. Knows nothing of FUSE.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/mutex.h"
#include "base/result.h"
#include "fs/fuse/layer_store/offered.h"
#include "layers/layer.h"

namespace acetate::fs {

// Thread-safe. Inode numbers stand for the same object as long as it lives.
class LayerStoreTree {
 public:
  static constexpr std::uint64_t kRoot = 1;

  // `open`: open_layer() of a layer's spec, once for each blob and only when it is wanted.
  using OpenLayer = std::function<Result<LayerPtr>(const LayerSpec&)>;
  LayerStoreTree(FindImage find, OpenLayer open) : find_(std::move(find)), open_(std::move(open)) {}

  struct Found {
    std::uint64_t ino = 0;
    Attr attr;
  };
  // ENOENT inside a layer is proven and stays; is_volatile() says where it is not. What cannot be asked for is EIO with words,
  // and a reference that could not be had is not asked for again for a while.
  Result<Found> lookup(std::uint64_t dir, std::string_view name);
  Result<Attr> attr(std::uint64_t ino);
  Result<std::string> readlink(std::uint64_t ino);
  Result<std::vector<Xattr>> xattrs(std::uint64_t ino);

  struct Listed {
    std::string name;
    std::uint64_t ino;
    unsigned char type;  // DT_*
  };
  Result<std::vector<Listed>> list(std::uint64_t dir);
  Result<std::unique_ptr<FileView>> open(std::uint64_t ino);

  // What is looked up in there may be another answer next time.
  static bool is_volatile(std::uint64_t dir) noexcept { return slot_of(dir) == 0 || is_own(dir); }

 private:
  // Inode numbers: the slot above 41 bits, and below it a node of its layer, or with kOwn set one of what we put around
  // that. Slot 0 has the root, and the references from kRoot + 1 on.
  static constexpr int kSlotShift = 41;
  static constexpr std::uint64_t kOwn = std::uint64_t{1} << 40;
  enum Own : std::uint64_t { own_dir, own_info, own_blob, own_whiteout };
  static std::uint64_t slot_of(std::uint64_t ino) noexcept { return ino >> kSlotShift; }
  static bool is_own(std::uint64_t ino) noexcept { return slot_of(ino) != 0 && (ino & kOwn) != 0; }
  static std::uint64_t own(std::uint64_t slot, Own what) noexcept { return slot << kSlotShift | kOwn | what; }

  // A blob, however many images it is part of.
  struct Blob {
    explicit Blob(OfferedLayer what) : offered(std::move(what)) {}
    const OfferedLayer offered;
    Mutex mutex;
    LayerPtr layer GUARDED_BY(mutex);
    std::set<Node> opaque GUARDED_BY(mutex);  // as lookups told
  };
  struct Reference {
    explicit Reference(std::string text) : name(std::move(text)) {}
    const std::string name;
    Mutex asking;  // before mutex_
    std::chrono::steady_clock::time_point asked_anew GUARDED_BY(asking){};
    std::map<std::string, std::uint64_t, std::less<>> slots;  // by digest; under mutex_
  };
  struct Unknown {
    std::chrono::steady_clock::time_point until;
    std::string why;
  };

  Result<Found> lookup_reference(std::string_view encoded);
  // The inode number of a name that is known, 0 for another; what stands in unknown_ is its error.
  Result<std::uint64_t> known_locked(const std::string& name) REQUIRES(mutex_);
  Result<Found> lookup_layer(std::uint64_t reference, std::string_view digest);
  Result<Found> lookup_own(std::uint64_t dir, std::string_view name);
  Result<Found> lookup_node(std::uint64_t dir, std::string_view name);
  Result<void> take(Reference& reference, Ask ask);
  std::shared_ptr<Blob> blob_of(std::uint64_t ino);
  Result<LayerPtr> layer_of(Blob& blob) const;
  Result<LayerPtr> layer_at(std::uint64_t ino) { return layer_of(*blob_of(ino)); }
  Result<std::uint64_t> ino_of(std::uint64_t slot, Node node) const;
  Attr own_attr(std::uint64_t ino);

  const FindImage find_;
  const OpenLayer open_;
  Mutex mutex_;
  std::deque<std::shared_ptr<Reference>> references_ GUARDED_BY(mutex_);
  std::map<std::string, std::uint64_t, std::less<>> by_name_ GUARDED_BY(mutex_);  // inode numbers, by decoded name
  // Names that are being asked for: what turns out to be no image is forgotten, so that making names up fills nobody's memory.
  std::map<std::string, std::shared_ptr<Reference>, std::less<>> asked_ GUARDED_BY(mutex_);
  std::map<std::string, Unknown, std::less<>> unknown_ GUARDED_BY(mutex_);  // for a while
  std::vector<std::shared_ptr<Blob>> slots_ GUARDED_BY(mutex_);  // of slot 1 and on
  std::map<Digest, std::shared_ptr<Blob>> blobs_ GUARDED_BY(mutex_);
};

// What layers.json of containers/storage says of such a layer.
std::string layer_info(const OfferedLayer& layer);

}  // namespace acetate::fs
