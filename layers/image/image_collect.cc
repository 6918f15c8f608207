#include "layers/image/image_collect.h"

#include <fcntl.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <set>
#include <utility>

#include "base/sys/file.h"
#include "layers/image/blob_folders.h"
#include "layers/image/blob_writer.h"
#include "layers/image/expected_blobs.h"
#include "layers/image/image_walk.h"
#include "layers/image/lazy_images.h"
#include "layers/image/store_lock.h"
#include "layers/image/store_state.h"
#include "layers/image/subject.h"

namespace acetate::image {

namespace {

using Sizes = std::map<Digest, std::uint64_t>;

Result<Sizes> blobs_on_disk(const std::string& dir) {
  const Fd layout = TRY_WITHIN(sys::open(dir, O_RDONLY | O_DIRECTORY), "opening {}", dir);
  Sizes sizes;
  for (const auto& digest : TRY_WITHIN(list_blobs(layout.ref()), "listing the blobs of {}", dir)) {
    const auto name = blob_name(digest);
    const auto st = TRY_WITHIN(sys::stat(FileAt{layout.ref(), name.c_str()}), "looking at {}/{}", dir, name);
    sizes[digest] = static_cast<std::uint64_t>(st.st_size);
  }
  return sizes;
}

// One of our own images with everything that is needed to decide about it.
struct Candidate {
  StoredImage image;
  std::set<Digest> blobs = {};
  std::optional<Digest> subject = {};
  std::time_t used = 0;
  bool is_lazy = false;
  bool is_expected = false;  // to be named
  bool goes = false;
};

Result<std::vector<Candidate>> candidates_of(const ImageStore& store) {
  std::vector<Candidate> found;
  for (auto& image : TRY(store.list())) {
    if (image.is_shared) continue;
    Candidate candidate{.image = image};
    candidate.used = TRY(last_used(store, image));
    const auto walked = walk_image(store.files(image), image.target, [&](const ImagePart& part) -> Result<void> {
      candidate.blobs.insert(part.descriptor.digest);
      if (part.descriptor.digest == image.target.digest) candidate.subject = TRY(read_subject(part.text, image.target.digest.str()));
      return {};
    });
    if (!walked)
      return walked.error().clone().within(fmt::format(
          "the image {} is damaged and nothing is removed; pull it again or remove it with acetate rmi --force {}",
          image.target.digest.str(), image.target.digest.str()));
    found.push_back(std::move(candidate));
  }
  return found;
}

// Those of which some is not here yet.
Result<std::vector<Candidate>> lazy_candidates_of(const ImageStore& store, const LazyImages& lazy) {
  std::vector<Candidate> found;
  const auto files = TRY(lazy.files());
  for (auto& image : TRY(lazy.list())) {
    Candidate candidate{.image = image, .is_lazy = true};
    // Without its document it is used by nobody, and of one that lacks something what is there counts.
    if (const auto used = last_used(store, image)) candidate.used = *used;
    const auto walked = walk_image(*files, image.target, [&](const ImagePart& part) -> Result<void> {
      candidate.blobs.insert(part.descriptor.digest);
      return {};
    });
    if (!walked && !walked.error().is(ENOENT))
      return walked.error().clone().within(fmt::format("what {} needs (acetate rmi forgets it)", image.names.front().str()));
    found.push_back(std::move(candidate));
  }
  return found;
}

// The blobs of images that stay: those of referrers to one of them, or to what `others` says is there, among them.
std::set<Digest> reachable(const std::vector<Candidate>& candidates, const std::function<bool(const Digest&)>& others) {
  std::set<Digest> digests;
  std::vector<const Candidate*> referrers;
  for (const auto& candidate : candidates) {
    if (!candidate.goes)
      digests.insert(candidate.blobs.begin(), candidate.blobs.end());
    else if (candidate.subject)
      referrers.push_back(&candidate);
  }
  // One may refer to another, as a signature of an SBOM does.
  const auto stays = [&](const Candidate* each) {
    if (!digests.contains(*each->subject) && !others(*each->subject)) return false;
    digests.insert(each->blobs.begin(), each->blobs.end());
    return true;
  };
  while (std::erase_if(referrers, stays) > 0) {
  }
  return digests;
}

std::uint64_t bytes_of(const std::set<Digest>& digests, const Sizes& sizes) {
  std::uint64_t sum = 0;
  for (const auto& digest : digests)
    if (const auto found = sizes.find(digest); found != sizes.end()) sum += found->second;
  return sum;
}

// Which images go, and the blobs of the others: pure but for the clock that set their times.
std::set<Digest> decide(std::vector<Candidate>& candidates, const Sizes& sizes, const CollectOptions& options,
                        const std::function<bool(const Digest&)>& others) {
  for (auto& candidate : candidates) {
    if (candidate.is_expected) continue;
    if (options.unnamed && candidate.image.names.empty()) candidate.goes = true;
    if (options.unused_since && candidate.used < *options.unused_since) candidate.goes = true;
  }
  auto stays = reachable(candidates, others);
  if (options.max_bytes)
    for (auto& candidate : candidates) {  // the one used longest ago comes first
      if (bytes_of(stays, sizes) <= *options.max_bytes) break;
      if (candidate.is_expected || std::exchange(candidate.goes, true)) continue;
      stays = reachable(candidates, others);
    }
  for (auto& candidate : candidates) candidate.goes = candidate.goes && !stays.contains(candidate.image.target.digest);
  return stays;
}

Result<void> remove_blobs(const std::string& dir, const std::vector<CollectedBlob>& blobs) {
  const Fd layout = TRY_WITHIN(sys::open(dir, O_RDONLY | O_DIRECTORY), "opening {}", dir);
  for (const auto& blob : blobs) {
    const auto gone = sys::unlink(FileAt{layout.ref(), blob_name(blob.digest).c_str()});
    if (!gone && !gone.error().is(ENOENT)) return gone.error().clone().within("removing " + blob.digest.str());
  }
  return {};
}

}  // namespace

Result<std::time_t> last_used(const ImageStore& store, const StoredImage& image) {
  const auto spec = TRY(locate_blob(store.files(image), image.target));
  return TRY_WITHIN(sys::stat_following(spec.path), "looking at {}", spec.path).st_mtim.tv_sec;
}

Result<Collected> collect(const StorePlace& place, const CollectOptions& options) {
  Collected out;
  if (!sys::stat_following(place.dir + "/oci-layout")) return out;
  // Opening takes the lock shared, which we would wait for: so it is opened without.
  Fd lock;
  if (!options.dry_run) lock = TRY(take_store_alone(place.dir, options.wait));
  const auto store = TRY(options.dry_run ? ImageStore::open_to_read(place) : ImageStore::open_locked(place));

  const LazyImages lazy(place.dir);
  auto candidates = TRY(candidates_of(*store));
  std::ranges::move(TRY(lazy_candidates_of(*store, lazy)), std::back_inserter(candidates));
  std::ranges::stable_sort(candidates, {}, &Candidate::used);
  const auto expected = TRY(expected_blobs(place.dir, !options.dry_run));
  for (auto& candidate : candidates) candidate.is_expected = expected.contains(candidate.image.target.digest);
  const Sizes whole = TRY(blobs_on_disk(place.dir));
  const auto partly = TRY(lazy.partly_here());
  Sizes sizes = whole;
  for (const auto& [digest, here] : partly) sizes[digest] += here.bytes;
  const auto besides = options.needed_besides ? TRY(options.needed_besides()) : std::set<Digest>();
  const auto is_elsewhere = [&](const Digest& digest) {
    return besides.contains(digest) || std::ranges::any_of(place.shared, [&](const auto& dir) {
             return sys::stat_following(dir + "/" + blob_name(digest)).has_value();
           });
  };
  auto stays = decide(candidates, sizes, options, is_elsewhere);
  stays.insert(besides.begin(), besides.end());
  stays.insert(expected.begin(), expected.end());
  for (auto& candidate : candidates)
    if (candidate.goes) out.images.push_back(candidate.image);
  for (const auto& [digest, here] : partly)
    if (here.is_in_use && !whole.contains(digest)) stays.insert(digest);
  for (const auto& [digest, size] : sizes) {
    if (stays.contains(digest)) {
      out.left += size;
      continue;
    }
    out.blobs.push_back({digest, size});
    out.freed += size;
  }
  if (options.dry_run) return out;
  for (const auto& candidate : candidates) {
    if (!candidate.goes) continue;
    const auto& image = candidate.image;
    TRY(candidate.is_lazy ? lazy.remove_reference(image.names.front(), image.target.digest) : store->remove_image(image.target.digest));
  }
  TRY(remove_blobs(place.dir, out.blobs));
  TRY(lazy.sweep(besides));
  const Fd dir = TRY_WITHIN(sys::open(place.dir, O_RDONLY | O_DIRECTORY), "opening {}", place.dir);
  TRY_WITHIN(remove_abandoned_blobs(dir.ref(), Unfinished::all), "cleaning up in {}", place.dir);
  return out;
}

}  // namespace acetate::image
