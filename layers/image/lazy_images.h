// Images whose layers are still being fetched: known by name, with their documents in the store and their layers partly
// in STORE/.acetate-lazy (layers/stream/partial_blob.h). A name of the store itself stands for a whole image; these are
// kept apart until they are whole, and then go over.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "layers/image/image_files.h"
#include "layers/image/image_store.h"
#include "layers/image/layout_index.h"

namespace acetate::image {

// Layer indexes that came along with an image are kept, and believed, for that image alone: a layer of another may be the
// same, and its index another's word. This names them: the repository they came with, and the image's manifest.
Digest index_origin(const Reference& name, const Digest& manifest);

enum class Indexes { our_own, believed };

// A value. Thread-safe.
class LazyImages {
 public:
  // `store`: the store's own directory. Nothing is made until there is something to keep.
  explicit LazyImages(std::string store) : LazyImages(StorePlace{.dir = std::move(store)}) {}
  explicit LazyImages(StorePlace place) : place_(std::move(place)) {}

  const std::string& store() const { return place_.dir; }
  std::string dir() const { return store() + "/.acetate-lazy"; }

  // `indexes`: whether those that came along are believed when it is opened by this name.
  Result<void> set_reference(const Reference& reference, const Descriptor& target, Indexes indexes = Indexes::our_own) const;
  // ENOENT bare when there is no such name; with `only`, when it stands for another image by now.
  Result<void> remove_reference(const Reference& reference, const std::optional<Digest>& only = {}) const;
  // Those names stand in the store for `now`, or for nothing any more: for no other image here either. Success where there are none.
  Result<void> give_up(const std::vector<Reference>& names, const std::optional<Digest>& now = {}) const;
  // In the order they were put in.
  Result<std::vector<StoredImage>> list() const;
  // By name, as ImageStore::find() reads one. ENOENT bare.
  Result<StoredImage> find(std::string_view text) const;
  // Ready to be mounted: a layer that is not all here has LayerSpec::lazy,
  // and LayerSpec::index where that may be believed.
  Result<Image> open_image(const StoredImage& stored, const Platform& platform) const;

  // The store's files, and of blobs that are not all here where they will lie.
  Result<std::unique_ptr<ImageFiles>> files() const;

  // Gives those that are whole now to the store, without their names where it has these already. What cannot be given is
  // left, and told in the log.
  Result<void> settle() const;

  // Every blob that one of them needs, for garbage collection: an error, with words, when that cannot be known. And takes
  // away what is partly here, needed by none, by nobody besides and used by nobody.
  Result<std::vector<Digest>> needed() const;
  Result<void> sweep(const std::set<Digest>& needed_besides = {}) const;

  // The room that what is here of a blob takes, its map and what else belongs to it.
  struct Partly {
    std::uint64_t bytes = 0;
    bool is_in_use = false;  // somebody reads it, or fills it: sweep() leaves it
  };
  Result<std::map<Digest, Partly>> partly_here() const;

 private:
  Result<void> edit(const std::function<Result<bool>(Json& manifests)>& edit) const;

  StorePlace place_;
};

}  // namespace acetate::image
