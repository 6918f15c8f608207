// Our own images: an OCI image layout on disk with names in docker's normal form, shared by every command.
//
// skopeo, umoci and podman read it as it is (oci:DIR:docker.io/library/alpine:latest). What is put in is verified
// while it is written; a name is set last, so a name always stands for a whole image. Many processes use one store at
// once: whoever has it open keeps garbage collection away from the blobs it put or found there.
//
// How an image is put in (pull, load, build):
//   auto store = TRY(ImageStore::open(place));
//   for each blob: if (!TRY(store->bring(descriptor))) { write it through store->new_blob(descriptor) }
//   put_blob() the manifest (and the index above it, exactly as it came)
//   store->set_reference(reference, descriptor of the index, or of the manifest where there is no index)
// Of an index the manifests of other platforms may be absent (image_walk.h).
#pragma once

#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "layers/image/image.h"
#include "layers/image/image_files.h"
#include "layers/image/layout.h"
#include "layers/image/manifest.h"
#include "layers/image/reference.h"

namespace acetate::image {

struct StorePlace {
  std::string dir;                       // our own
  std::vector<std::string> shared = {};  // other stores, read and never written, in the order they are asked
  // What a name without a registry may stand for, best first (names_meant.h); asked when one is looked up. May be empty.
  std::function<Result<std::vector<std::string>>(const std::string& text)> short_names = {};
};

// One manifest or index of the store and every name it has; none when a name was moved to another image.
struct StoredImage {
  Descriptor target;
  std::vector<Reference> names = {};
  std::string store;  // the directory it lies in
  bool is_shared = false;
  bool indexes_believed = false;  // of a lazy one: layer indexes that came along with it (lazy_images.h)
};

// Thread-safe but for remove-and-put of the same name, where the last one wins.
class ImageStore final : public Layout {
 public:
  // Makes the store if need be, readable by others only as far as the umask says.
  static Result<std::unique_ptr<ImageStore>> open(const StorePlace& place);
  // Makes and writes nothing: where nothing is, there is an empty store. For commands that only look.
  static Result<std::unique_ptr<ImageStore>> open_to_read(const StorePlace& place);
  // Like open(), for a caller who has the lock to himself (image_collect.h).
  static Result<std::unique_ptr<ImageStore>> open_locked(const StorePlace& place);
  ~ImageStore() override;

  // Blobs (layout.h). has_blob() and blob_path() speak of our own store.
  using Layout::new_blob;
  using Layout::put_blob;
  Result<std::unique_ptr<BlobWriter>> new_blob(const std::optional<Descriptor>& expected) override;
  Result<Descriptor> put_blob(std::string_view bytes, std::string media_type, Digest::Algorithm algorithm) override;
  Result<bool> has_blob(const Digest& digest) const override;
  std::string blob_path(const Digest& digest) const override;
  // Whether the blob is here, with the size it should have; one that a shared store has is copied over first and
  // verified on the way.
  Result<bool> bring(const Descriptor& blob);

  // Names. The image that had the name stays without it, unless it has others; garbage collection
  // (image_collect.h) takes those away. A reference with a digest keeps its tag only. One that is still being fetched (lazy_images.h)
  // loses a name that is set to another image, or removed, here.
  Result<void> set_reference(const Reference& reference, const Descriptor& target);
  // The same for a text, as parse_reference() reads it.
  Result<void> set_reference(const std::string& name, const Descriptor& target) override;
  // Keeps an image that has no name, as a build without -t does.
  Result<void> keep_unnamed(const Descriptor& target);
  // ENOENT bare when there is no such name.
  Result<void> remove_reference(const Reference& reference);
  // Takes a name off the image `target`, and forgets the image with its last one, unless `may_go` objects: decided as one step, whatever is
  // named meanwhile. Whether the image went. ENOENT bare when that image has no such name.
  Result<bool> remove_last_reference(const Reference& reference, const Digest& target, const std::function<Result<void>()>& may_go);
  // Forgets an image with all its names, EBUSY bare where it has more of them than that. ENOENT bare.
  Result<void> remove_image(const Digest& target, std::size_t most_names = std::numeric_limits<std::size_t>::max());

  // Every image, our own first, in the order they were put in.
  Result<std::vector<StoredImage>> list() const;
  // What a person typed: a name, or what a short one may stand for (names_meant.h), NAME@DIGEST, an image's id or the beginning of one (which is the digest of its config), a manifest's digest.
  // ENOENT with words when there is none, EINVAL with words when an id is short and fits several.
  Result<StoredImage> find(std::string_view text) const;
  // The same, ready to be mounted. Its layers stay while this store is open or anybody has Image::hold, and those that were opened for
  // longer.
  Result<Image> find_image(std::string_view text, const Platform& platform) const;
  Result<Image> open_image(const StoredImage& stored, const Platform& platform) const;
  // The files of the store that a stored image lies in.
  const ImageFiles& files(const StoredImage& stored) const;

  const std::string& dir() const;
  // What keeps garbage collection away while this is open: does so for as long as anybody has it. Null where there is no store yet.
  std::shared_ptr<const void> hold() const;

 private:
  struct State;
  explicit ImageStore(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace acetate::image
