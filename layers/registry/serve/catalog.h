// The store as a registry shows it: repositories, tags, manifests, referrers.
//
// A repository NAME is localhost/NAME of the store, as podman names what has no host: whoever pushes, also where nobody has to say who he is,
// can move no other name of the store's, and "quay.io/a/b" is pushed to localhost/quay.io/a/b. It is pulled by that name too, or else by the
// one docker would complete (docker.io/library/NAME), or that NAME is by itself: "quay.io/a/b" is the store's quay.io/a/b where nobody pushed
// another.
// What has no name in the store belongs to every repository: that is how a manifest comes in before its tag.
// What was put in by digest while another repository had it already is known to be here, too, for as long as
// we run.
#pragma once

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "layers/image/image_store.h"

namespace acetate::registry {

struct ShownManifest {
  image::Descriptor descriptor;
  std::string bytes;
  std::optional<Digest> subject;
};

// One that was put in, what it names (blobs, or manifests below it), and whether it stays without another that names it in its turn: by a
// tag, below an index or as a referrer.
struct PutManifest {
  ShownManifest shown;
  std::vector<Digest> names;
  bool is_safe = false;
};

// Thread-safe. Opens the store for each piece of work, so that garbage collection finds its moment.
class Catalog {
 public:
  explicit Catalog(image::StorePlace place) : place_(std::move(place)) {}

  // By tag or digest; ENOENT bare.
  Result<ShownManifest> manifest(const std::string& repository, const std::string& reference);
  // Under a tag or its own digest, and with the latter under `tags` too. EINVAL with words for what is no manifest, EBADMSG for another
  // digest than the reference's, ENOENT with words when a blob it points at is not here.
  Result<PutManifest> put_manifest(const std::string& repository, const std::string& reference,
                                   const std::string& media_type, const std::string& bytes,
                                   const std::vector<std::string>& tags = {});
  // A tag; or, by digest, all names the manifest has in this repository, and itself when it has no other.
  // ENOENT bare; EPERM with words for one that is only part of an index, which would be left without it.
  Result<void> remove_manifest(const std::string& repository, const std::string& reference);

  // Sorted. ENOENT bare for a repository with nothing in it.
  Result<std::vector<std::string>> tags(const std::string& repository);
  Result<std::vector<std::string>> repositories();
  // Those whose subject `digest` is, of one artifact type or ("") all.
  Result<std::vector<image::IndexEntry>> referrers(const std::string& repository, const Digest& digest,
                                                   const std::string& artifact_type);

  // A blob's file, its own or of a shared store; ENOENT bare.
  Result<Fd> open_blob(const Digest& digest) const;
  // The store, open: what is put into it stays at least until everybody has let go.
  Result<std::shared_ptr<image::ImageStore>> store() const;

 private:
  struct Found {
    image::StoredImage image;             // of a manifest below an index: itself, without names, in the store the index lies in
    std::optional<Digest> index = {};     // that index
  };
  Result<std::optional<Found>> find(const image::ImageStore& store, const std::string& repository, const std::string& reference);
  Result<bool> is_below(const image::ImageStore& store, const image::StoredImage& image,
                        const Digest& digest) const;

  bool is_visible(const image::StoredImage& image, const std::string& repository);

  const image::StorePlace place_;
  Mutex mutex_;
  std::set<std::pair<std::string, Digest>> put_by_digest_ GUARDED_BY(mutex_);
};

// The names of the store that a repository may stand for, the one it is written to first; none when it is no
// name.
std::vector<image::Reference> store_names(const std::string& repository);
// And back: how a store's name is asked for. Pure, both.
std::string repository_of(const image::Reference& reference);

}  // namespace acetate::registry
