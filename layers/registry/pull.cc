#include "layers/registry/pull.h"

#include <fcntl.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <set>
#include <utility>

#include "base/log.h"
#include "base/sys/file.h"
#include "layers/image/blob_writer.h"
#include "layers/image/image_walk.h"
#include "layers/image/json.h"
#include "layers/image/lazy_images.h"
#include "layers/image/media_type.h"
#include "layers/image/oci_choice.h"
#include "layers/image/platform.h"
#include "layers/registry/blob_download.h"
#include "layers/registry/seal_blob.h"

namespace acetate::registry {

namespace {

constexpr int kMaxDepth = 4;
constexpr std::uint64_t kMostDocumentBytes = 256 << 20;  // of one image: they are in memory until its blobs are here

// Those of an index that may hold the image for a platform, best first, equals in their order, as image-index.md wants it.
std::vector<const image::IndexEntry*> candidates(const image::Index& index, const image::Platform& platform) {
  std::vector<const image::IndexEntry*> fitting;
  for (const auto& entry : index.entries)
    if (image::is_image(entry) && image::fitness(entry, platform)) fitting.push_back(&entry);
  std::ranges::stable_sort(fitting, {}, [&](const auto* entry) { return *image::fitness(*entry, platform); });
  return fitting;
}

// Where a blob is written to; it may have bytes already, of a transfer that was interrupted.
using NewBlob = std::function<Result<std::unique_ptr<image::BlobWriter>>(const image::Descriptor& blob)>;

// Finishes what somebody else has begun to fetch of a blob; false when there is nothing, or nobody who can.
using Finish = std::function<Result<bool>(const image::Descriptor& blob, const Progress& progress)>;

class Pull {
 public:
  Pull(Repository& repository, image::Layout& into, const image::HasBlob& has, const NewBlob& new_blob, const Finish& finish,
       const PullOptions& options)
      : repository_(repository), into_(into), has_(has), new_blob_(new_blob), finish_(finish), options_(options) {}

  Result<Pulled> run(const std::string& reference) {
    auto top = TRY(repository_.manifest(reference));
    const auto target = top.descriptor;
    TRY(take_document(std::move(top), 0));
    if (!chosen_)
      return fail(ENOENT, "{} holds no image for {}", name_of(reference),
                  image::format_platform(options_.platform));
    TRY(transfer_all({blobs_.begin(), blobs_.end()}, options_.at_once, options_.events,
                     [this](const auto& blob, const auto& progress) { return fetch(blob, progress); }));
    for (const auto& layer : later_)
      if (!TRY(has_(layer))) TRY(options_.later(layer));
    // What is in the layout always has below it what it points at.
    for (const auto& document : documents_)
      TRY(into_.put_blob(document.bytes, document.descriptor.media_type, document.descriptor.digest.algorithm()));
    return Pulled{.target = target, .manifest = *chosen_, .id = id_};
  }

 private:
  std::string name_of(const std::string& reference) const {
    return repository_.where() + (Digest::parse(reference) ? "@" : ":") + reference;
  }

  Result<void> take_document(FetchedManifest fetched, int depth, bool may_be_chosen = true) {
    const std::string what =
        fmt::format("the manifest {} of {}", fetched.descriptor.digest.str(), repository_.where());
    if (depth > kMaxDepth) return fail(ELOOP, "{}: indexes are nested too deeply", what);
    const auto parse = may_be_chosen ? image::parse_document : image::parse_any_document;
    const auto document = TRY(parse(fetched.bytes, fetched.descriptor.media_type, what));
    document_bytes_ += fetched.bytes.size();
    if (taken_.size() > image::kMaxDocuments || document_bytes_ > kMostDocumentBytes)
      return fail(EFBIG, "{} has more than {} manifests, or more than {} bytes of them", repository_.where(), image::kMaxDocuments, kMostDocumentBytes);
    if (document.manifest)
      TRY(take_manifest(*document.manifest, fetched.descriptor, may_be_chosen));
    else if (!TRY(take_index(*document.index, depth)))
      return {};
    documents_.push_back(std::move(fetched));
    return {};
  }

  // False: it has nothing for the platform, and is left out.
  Result<bool> take_index(const image::Index& index, int depth) {
    if (options_.all_platforms) {
      for (const auto& entry : index.entries) TRY(take_entry(entry, depth, image::is_image(entry)));
      return true;
    }
    for (const auto* entry : candidates(index, options_.platform)) {
      TRY(take_entry(*entry, depth, true));
      if (chosen_) return true;
    }
    return false;
  }

  Result<void> take_entry(const image::IndexEntry& entry, int depth, bool may_be_chosen) {
    // An index may name one as often as it likes.
    if (!taken_.insert({entry.descriptor.digest, may_be_chosen}).second) return {};
    auto fetched = TRY(repository_.manifest(entry.descriptor.digest.str()));
    if (fetched.descriptor.size != entry.descriptor.size)
      return fail(EBADMSG, "the manifest {} of {} has {} bytes, and the index says {}",
                  entry.descriptor.digest.str(), repository_.where(), fetched.descriptor.size,
                  entry.descriptor.size);
    return take_document(std::move(fetched), depth + 1, may_be_chosen);
  }

  Result<void> take_manifest(const image::Manifest& manifest, const image::Descriptor& descriptor, bool may_be_chosen) {
    if (manifest.config.size > image::kMaxDocument)
      return fail(EFBIG, "the configuration of {} has {} bytes, and more than {} are not read",
                  repository_.where(), manifest.config.size, image::kMaxDocument);
    blobs_.insert(manifest.config);
    for (const auto& layer : manifest.layers)
      if (!image::is_foreign_layer(layer.media_type)) (options_.later ? later_ : blobs_).insert(layer);
    if (!chosen_ && may_be_chosen) {
      chosen_ = descriptor;
      id_ = manifest.config.digest;
    }
    return {};
  }

  Result<TransferState> fetch(const image::Descriptor& blob, const Progress& progress) {
    auto fetched = fetch_blob(blob, progress);
    if (!fetched && is_local(fetched.error())) return std::move(fetched).error().within(into_.blob_path(blob.digest));
    return fetched;
  }

  Result<TransferState> fetch_blob(const image::Descriptor& blob, const Progress& progress) {
    if (TRY(has_(blob))) return TransferState::present;
    if (finish_ && TRY(finish_(blob, progress))) return TransferState::done;
    for (;;) {
      auto writer = TRY(new_blob_(blob));
      const bool goes_on = writer->size() != 0;
      TRY(download_blob(repository_, blob, *writer, progress));
      const auto kept = writer->commit(blob.media_type);
      if (kept) return TransferState::done;
      // What an interrupted pull left may have suffered since, by a power cut: then all of it once more.
      if (!goes_on || !kept.error().is(EBADMSG)) return kept.error().clone();
      log::info("{}; it is fetched again", kept.error().message());
    }
  }

  struct ByDigest {
    bool operator()(const image::Descriptor& a, const image::Descriptor& b) const {
      return a.digest < b.digest;
    }
  };

  Repository& repository_;
  image::Layout& into_;
  const image::HasBlob& has_;
  const NewBlob& new_blob_;
  const Finish& finish_;
  const PullOptions& options_;
  std::vector<FetchedManifest> documents_;   // those below come before those above
  std::uint64_t document_bytes_ = 0;        // of all that were fetched
  std::set<std::pair<Digest, bool>> taken_;  // the children that were, and whether they may be the image
  std::set<image::Descriptor, ByDigest> blobs_, later_;
  std::optional<image::Descriptor> chosen_;
  Digest id_;
};

}  // namespace

Result<Pulled> pull_image(Repository& repository, const std::string& reference, image::Layout& into, const image::HasBlob& has,
                          const PullOptions& options) {
  const NewBlob anew = [&](const image::Descriptor& blob) { return into.new_blob(blob); };
  return Pull(repository, into, has, anew, {}, options).run(reference);
}

Result<Pulled> pull_image(Repository& repository, const std::string& reference, image::ImageStore& store,
                          const PullOptions& options) {
  const Fd dir = TRY_WITHIN(sys::open(store.dir(), O_RDONLY | O_DIRECTORY), "opening {}", store.dir());
  const NewBlob resumed = [&](const image::Descriptor& blob) { return image::resume_blob_writer(dir.ref(), blob); };
  const image::HasBlob has = [&](const image::Descriptor& blob) { return store.bring(blob); };
  const Finish finish = [&](const image::Descriptor& blob, const Progress& progress) -> Result<bool> {
    auto sealed = seal_blob(image::LazyImages(store.dir()).dir(), blob, progress);
    if (sealed) return has(blob);
    if (sealed.error().is(ECANCELED)) return std::move(sealed).error();
    log::info("{}; it is fetched anew", sealed.error().message());
    return false;
  };
  return Pull(repository, store, has, resumed, finish, options).run(reference);
}

}  // namespace acetate::registry
