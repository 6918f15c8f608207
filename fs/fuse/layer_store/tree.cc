#include "fs/fuse/layer_store/tree.h"

#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <utility>

#include "base/base64.h"
#include "base/log.h"
#include "fs/fuse/layer_store/blob_view.h"

namespace acetate::fs {

namespace {

using Clock = std::chrono::steady_clock;
// Somebody who looks for three files of each of ten layers is told once that there is no such image.
constexpr std::chrono::seconds kPatience{10};

// What says "opaque" to the kernel's overlay with root's attributes and with a user's, and to fuse-overlayfs.
constexpr std::array<const char*, 3> kOpaque = {"trusted.overlay.opaque", "user.overlay.opaque", "user.fuseoverlayfs.opaque"};

// Of what we put around the layers: nobody's but the owner's. Looking a name up is asking its registry with the owner's logins, and what is in
// an image is for whom the owner shows it to: containers see it by way of the overlay, which looks with the rights of whoever mounted it.
constexpr mode_t kOwnDir = S_IFDIR | 0700, kOwnFile = S_IFREG | 0400;

Attr attr_of(std::uint64_t ino, mode_t mode, std::uint64_t size) {
  return {.mode = mode, .uid = ::geteuid(), .gid = ::getegid(), .size = size, .blocks = (size + 511) / 512, .ino = ino};
}

}  // namespace

std::string layer_info(const OfferedLayer& layer) {
  return fmt::format(R"({{"compressed-diff-digest":"{}","compressed-size":{},"diff-digest":"{}","compression":{}}})" "\n",
                     layer.digest.str(), layer.size, layer.diff_id.str(), layer.packing);
}

std::shared_ptr<LayerStoreTree::Blob> LayerStoreTree::blob_of(std::uint64_t ino) {
  const Lock lock(mutex_);
  return slots_[slot_of(ino) - 1];
}

Result<LayerPtr> LayerStoreTree::layer_of(Blob& blob) const {
  const Lock lock(blob.mutex);
  if (blob.layer == nullptr) blob.layer = TRY(open_(blob.offered.spec));
  return blob.layer;
}

Result<std::uint64_t> LayerStoreTree::ino_of(std::uint64_t slot, Node node) const {
  const auto number = static_cast<std::uint64_t>(node);
  if (number >= kOwn) return fail(EOVERFLOW, "a layer has more files than inode numbers are kept for");
  return slot << kSlotShift | number;
}

Attr LayerStoreTree::own_attr(std::uint64_t ino) {
  if (slot_of(ino) == 0) return attr_of(ino, kOwnDir, 0);
  const auto blob = blob_of(ino);
  switch (static_cast<Own>(ino & (kOwn - 1))) {
    case own_info: return attr_of(ino, kOwnFile, layer_info(blob->offered).size());
    case own_blob: return attr_of(ino, kOwnFile, blob->offered.size);
    case own_whiteout: return attr_of(ino, S_IFCHR, 0);
    case own_dir: break;
  }
  return attr_of(ino, kOwnDir, 0);
}

Result<LayerStoreTree::Found> LayerStoreTree::lookup(std::uint64_t dir, std::string_view name) {
  if (dir == kRoot) return lookup_reference(name);
  if (slot_of(dir) == 0) return lookup_layer(dir, name);
  if (is_own(dir)) return lookup_own(dir, name);
  return lookup_node(dir, name);
}

// Asks for the image, and gives each of its layers a place below the reference. With reference.asking.
Result<void> LayerStoreTree::take(Reference& reference, Ask ask) {
  auto layers = TRY(find_(reference.name, ask));
  const Lock lock(mutex_);
  for (auto& layer : layers) {
    const std::string digest = layer.digest.str();
    if (reference.slots.contains(digest)) continue;
    auto& blob = blobs_[layer.digest];
    if (blob == nullptr) blob = std::make_shared<Blob>(std::move(layer));
    slots_.push_back(blob);
    reference.slots.emplace(digest, slots_.size());
  }
  return {};
}

Result<std::uint64_t> LayerStoreTree::known_locked(const std::string& name) {
  if (const auto known = unknown_.find(name); known != unknown_.end()) {
    if (Clock::now() < known->second.until) return fail(EIO, "{}", known->second.why);
    unknown_.erase(known);
  }
  const auto place = by_name_.find(name);
  return place == by_name_.end() ? 0 : place->second;
}

Result<LayerStoreTree::Found> LayerStoreTree::lookup_reference(std::string_view encoded) {
  const auto name = base64_decode(encoded);
  if (!name || name->empty()) return Error(ENOENT);
  std::shared_ptr<Reference> reference;
  std::uint64_t ino = 0;
  {
    const Lock lock(mutex_);
    ino = TRY(known_locked(*name));
    if (ino == 0) {
      auto& asked = asked_[*name];
      if (asked == nullptr) asked = std::make_shared<Reference>(*name);
      reference = asked;
    }
  }
  if (ino != 0) return Found{ino, own_attr(ino)};
  const Lock asking(reference->asking);
  {
    // Somebody else may have asked while we waited.
    const Lock lock(mutex_);
    ino = TRY(known_locked(*name));
  }
  if (ino != 0) return Found{ino, own_attr(ino)};
  auto taken = take(*reference, Ask::if_unknown);
  if (!taken) log::warn("{}", taken.error().message());
  {
    const Lock lock(mutex_);
    asked_.erase(*name);
    if (!taken) {
      const auto now = Clock::now();
      std::erase_if(unknown_, [&](const auto& each) { return each.second.until <= now; });
      unknown_[*name] = {now + kPatience, taken.error().message()};
      return fail(EIO, "{}", taken.error().message());
    }
    references_.push_back(reference);
    ino = kRoot + references_.size();
    by_name_.emplace(*name, ino);
  }
  return Found{ino, own_attr(ino)};
}

Result<LayerStoreTree::Found> LayerStoreTree::lookup_layer(std::uint64_t ino, std::string_view digest) {
  if (!Digest::parse(digest)) return Error(ENOENT);
  std::shared_ptr<Reference> reference;
  const auto find = [&]() -> std::uint64_t {
    const Lock lock(mutex_);
    reference = references_[ino - kRoot - 1];
    const auto slot = reference->slots.find(digest);
    return slot == reference->slots.end() ? 0 : slot->second;
  };
  std::uint64_t slot = find();
  if (slot == 0) {
    // The name may stand for another image by now.
    const Lock asking(reference->asking);
    slot = find();
    if (slot == 0 && Clock::now() - reference->asked_anew >= kPatience) {
      reference->asked_anew = Clock::now();
      if (auto taken = take(*reference, Ask::anew); !taken) return fail(EIO, "{}", taken.error().message());
      slot = find();
    }
  }
  if (slot == 0) return Error(ENOENT);
  const std::uint64_t dir = own(slot, own_dir);
  return Found{dir, own_attr(dir)};
}

Result<LayerStoreTree::Found> LayerStoreTree::lookup_own(std::uint64_t dir, std::string_view name) {
  const std::uint64_t slot = slot_of(dir);
  if (dir != own(slot, own_dir)) return Error(ENOTDIR);
  for (const auto& [known, what] : {std::pair("info", own_info), std::pair("blob", own_blob)})
    if (name == known) return Found{own(slot, what), own_attr(own(slot, what))};
  if (name != "diff") return Error(ENOENT);
  const auto layer = TRY(layer_at(dir));
  const std::uint64_t ino = TRY(ino_of(slot, layer->root()));
  const Attr shown = TRY(attr(ino));
  return Found{ino, shown};
}

Result<LayerStoreTree::Found> LayerStoreTree::lookup_node(std::uint64_t dir, std::string_view name) {
  const std::uint64_t slot = slot_of(dir);
  const auto blob = blob_of(dir);
  const auto layer = TRY(layer_of(*blob));
  const Entry entry = TRY(layer->lookup(Node{dir & (kOwn - 1)}, name));
  switch (entry.marker) {
    case Marker::whiteout: return Found{own(slot, own_whiteout), own_attr(own(slot, own_whiteout))};
    case Marker::link_to:
    case Marker::metacopy:
      return fail(EIO, "'{}' of the layer {} has its content in a layer below, which an overlay does not look for", name,
                  blob->offered.digest.str());
    case Marker::opaque: {
      const Lock lock(blob->mutex);
      blob->opaque.insert(entry.node);
      break;
    }
    case Marker::none: break;
  }
  const std::uint64_t ino = TRY(ino_of(slot, entry.node));
  Found found{ino, entry.attr};
  found.attr.ino |= slot << kSlotShift;
  return found;
}

Result<Attr> LayerStoreTree::attr(std::uint64_t ino) {
  if (slot_of(ino) == 0 || is_own(ino)) return own_attr(ino);
  Attr attr = TRY(TRY(layer_at(ino))->attr(Node{ino & (kOwn - 1)}));
  attr.ino |= slot_of(ino) << kSlotShift;
  return attr;
}

Result<std::string> LayerStoreTree::readlink(std::uint64_t ino) {
  if (slot_of(ino) == 0 || is_own(ino)) return Error(EINVAL);
  return TRY(layer_at(ino))->readlink(Node{ino & (kOwn - 1)});
}

Result<std::vector<Xattr>> LayerStoreTree::xattrs(std::uint64_t ino) {
  if (slot_of(ino) == 0 || is_own(ino)) return std::vector<Xattr>();
  const auto blob = blob_of(ino);
  const auto layer = TRY(layer_of(*blob));
  const Node node{ino & (kOwn - 1)};
  auto all = TRY(layer->xattrs(node));
  bool is_opaque = node == layer->root() && TRY(layer->is_opaque(node));
  {
    const Lock lock(blob->mutex);
    is_opaque = is_opaque || blob->opaque.contains(node);
  }
  if (is_opaque)
    for (const char* name : kOpaque) all.push_back({name, "y"});
  return all;
}

Result<std::vector<LayerStoreTree::Listed>> LayerStoreTree::list(std::uint64_t dir) {
  std::vector<Listed> all;
  if (slot_of(dir) != 0 && !is_own(dir)) {
    const std::uint64_t slot = slot_of(dir);
    TRY(TRY(layer_at(dir))->list(Node{dir & (kOwn - 1)}, [&](const DirEntry& entry) {
      const bool gone = entry.marker == Marker::whiteout;
      all.push_back({std::string(entry.name), gone ? own(slot, own_whiteout) : slot << kSlotShift | entry.ino,
                     gone ? static_cast<unsigned char>(DT_CHR) : entry.type});
      return true;
    }));
    return all;
  }
  const Lock lock(mutex_);
  if (dir == kRoot) {
    for (const auto& [name, ino] : by_name_) all.push_back({base64_encode(name), ino, DT_DIR});
  } else if (slot_of(dir) == 0) {
    for (const auto& [digest, slot] : references_[dir - kRoot - 1]->slots) all.push_back({digest, own(slot, own_dir), DT_DIR});
  } else {
    const std::uint64_t slot = slot_of(dir);
    all = {{"diff", slot << kSlotShift | 1, DT_DIR}, {"info", own(slot, own_info), DT_REG}, {"blob", own(slot, own_blob), DT_REG}};
  }
  return all;
}

Result<std::unique_ptr<FileView>> LayerStoreTree::open(std::uint64_t ino) {
  if (slot_of(ino) == 0) return Error(EISDIR);
  const auto blob = blob_of(ino);
  if (!is_own(ino)) return TRY(layer_of(*blob))->open(Node{ino & (kOwn - 1)});
  switch (static_cast<Own>(ino & (kOwn - 1))) {
    case own_info: return text_view(layer_info(blob->offered));
    case own_blob: return blob_view(blob->offered.spec);
    case own_whiteout: return Error(ENXIO);
    case own_dir: break;
  }
  return Error(EISDIR);
}

}  // namespace acetate::fs
