#include "layers/registry/push.h"

#include <fcntl.h>

#include <memory>

#include "base/sys/file.h"
#include "layers/image/image_copy.h"
#include "layers/image/image_walk.h"
#include "layers/registry/blob_upload.h"

namespace acetate::registry {

namespace {

using image::ImagePart;

constexpr std::size_t kMountsTried = 3;

// What of an image is to be sent.
struct Parcel {
  image::Descriptor target;
  std::vector<image::Descriptor> blobs;
  std::vector<ImagePart> documents;  // those below come before those above
  bool complete = true;
};

Result<Parcel> pack(const image::ImageFiles& files, const image::Descriptor& target) {
  Parcel parcel{.target = target, .blobs = {}, .documents = {}};
  TRY(image::walk_image(files, target, [&](const ImagePart& part) -> Result<void> {
    const bool document = part.kind == ImagePart::Kind::index || part.kind == ImagePart::Kind::manifest;
    if (part.is_absent) {
      parcel.complete = parcel.complete && !document;  // a foreign layer may stay where it is
    } else if (document) {
      parcel.documents.push_back(part);
    } else {
      parcel.blobs.push_back(part.descriptor);
    }
    return {};
  }));
  return parcel;
}

// Which repositories of the same registry are likely to have which blobs: those whose images we hold.
Result<Neighbours> neighbours_in(const image::ImageStore& store, const std::string& registry, const std::string& repository) {
  Neighbours neighbours;
  for (const auto& other : TRY(store.list())) {
    std::set<std::string> repositories;
    for (const auto& name : other.names)
      if (name.registry == registry && name.repository != repository) repositories.insert(name.repository);
    if (repositories.empty()) continue;
    const auto parcel = pack(store.files(other), other.target);
    if (!parcel) continue;  // another image's damage does not keep this one from being sent
    for (const auto& blob : parcel->blobs) neighbours[blob.digest].insert(repositories.begin(), repositories.end());
  }
  return neighbours;
}

class Push {
 public:
  Push(const image::ImageFiles& files, const image::Descriptor& target, Repository& repository, const Neighbours& neighbours,
       const PushOptions& options)
      : files_(files), target_(target), repository_(repository), neighbours_(neighbours), options_(options) {}

  Result<image::Descriptor> run(const std::string& tag) {
    const auto parcel = TRY(choose());
    TRY(transfer_all(parcel.blobs, options_.at_once, options_.events,
                     [this](const auto& blob, const auto& progress) { return send(blob, progress); }));
    for (const auto& document : parcel.documents) {
      const bool last = document.descriptor.digest == parcel.target.digest;
      TRY(last ? repository_.put_tagged(tag, document.descriptor, document.text)
               : repository_.put_manifest(document.descriptor.digest.str(), document.descriptor, document.text));
    }
    return parcel.target;
  }

 private:
  Result<Parcel> choose() const {
    auto whole = TRY(pack(files_, target_));
    if (whole.complete) return whole;
    if (options_.all_platforms)
      return fail(ENOENT, "only some of the images of {} are here; fetch them by pull --all-platforms", target_.digest.str());
    return pack(files_, TRY(image::manifest_for(files_, target_, options_.platform)));
  }

  Result<TransferState> send(const image::Descriptor& blob, const Progress& progress) {
    UploadOptions options{.progress = progress};
    if (const auto at = neighbours_.find(blob.digest); at != neighbours_.end())
      for (const auto& repository : at->second)
        if (options.mount_from.size() < kMountsTried) options.mount_from.push_back(repository);
    const auto lies = TRY(image::locate_blob(files_, blob));
    // Opened when it is read: what the registry has already need not be here (image_files.h).
    const Body content{.size = blob.size,
                       .read = [file = std::make_shared<Fd>(), lies](std::span<std::byte> into,
                                                                     std::uint64_t offset) -> Result<std::size_t> {
                         if (!*file) *file = TRY_WITHIN(sys::open(lies.path, O_RDONLY), "opening {}", lies.path);
                         return sys::pread(file->ref(), into, lies.offset + offset);
                       }};
    switch (TRY(upload_blob(repository_, blob, content, options))) {
      case Sent::nothing:
        return TransferState::present;
      case Sent::mounted:
        return TransferState::mounted;
      case Sent::bytes:
        break;
    }
    return TransferState::done;
  }

  const image::ImageFiles& files_;
  const image::Descriptor& target_;
  Repository& repository_;
  const Neighbours& neighbours_;
  const PushOptions& options_;
};

}  // namespace

Result<image::Descriptor> push_image(const image::ImageFiles& files, const image::Descriptor& target, Repository& repository,
                                     const std::string& tag, const Neighbours& neighbours, const PushOptions& options) {
  return Push(files, target, repository, neighbours, options).run(tag);
}

Result<image::Descriptor> push_image(const image::ImageStore& store, const image::StoredImage& image,
                                     Repository& repository, const std::string& registry,
                                     const std::string& tag, const PushOptions& options) {
  const auto neighbours = TRY(neighbours_in(store, registry, repository.name()));
  return push_image(store.files(image), image.target, repository, tag, neighbours, options);
}

}  // namespace acetate::registry
