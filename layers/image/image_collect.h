// Garbage collection of an image store: blobs that no image has any more, images without a name, and the images
// used longest ago where the store has outgrown a limit.
#pragma once

#include <cstdint>
#include <ctime>
#include <functional>
#include <optional>
#include <set>
#include <vector>

#include "layers/image/image_store.h"

namespace acetate::image {

struct CollectOptions {
  bool dry_run = false;                           // only say what would go
  bool unnamed = true;                            // images without a name too, but for referrers of what stays
  std::optional<std::time_t> unused_since = {};   // named images last used before then too (seconds since 1970)
  std::optional<std::uint64_t> max_bytes = {};    // images used longest ago, until the blobs left are no more than that
  bool wait = true;                               // for others who have the store open
  // Blobs that somebody beside the images needs: they stay. Asked when nobody else is in the store any more.
  std::function<Result<std::set<Digest>>()> needed_besides = {};
};

struct CollectedBlob {
  Digest digest;
  std::uint64_t size = 0;
};

struct Collected {
  std::vector<StoredImage> images;   // forgotten
  std::vector<CollectedBlob> blobs;  // gone
  std::uint64_t freed = 0;
  std::uint64_t left = 0;  // bytes of the blobs that stay, and of those that are partly here
};

// Must not be called while this process has the store open, unless it is a dry run, which locks nobody out. EWOULDBLOCK bare where somebody has and `wait` is
// false. A damaged image is EBADMSG or ENOENT with words, and nothing is removed: what belongs to it cannot be told.
//
// A manifest that refers to another by its `subject` (a signature, an SBOM, the indexes of an image's layers) has no name as a rule: it
// stays for as long as its subject does, whether that is an image of ours, of a shared store or one below an index.
//
// A blob that somebody is about to name (expected_blobs.h) stays, and so does all that is below it.
//
// An image that is still being fetched (lazy_images.h) counts with what is here of it, and goes like others: what somebody reads or fills just
// now stays for him.
//
// Images are forgotten before any of their blobs goes, so that whatever interrupts it leaves every name whole and
// the rest to the next collection. What is mounted goes on being readable: its files are open.
Result<Collected> collect(const StorePlace& place, const CollectOptions& options);

// When an image was last put in, opened or named: seconds since 1970.
Result<std::time_t> last_used(const ImageStore& store, const StoredImage& image);

}  // namespace acetate::image
