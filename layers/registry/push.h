// An image into a registry, from wherever it lies: every blob the registry does not have, then the documents, the name
// last.
#pragma once

#include <map>
#include <set>
#include <string>

#include "layers/image/image.h"
#include "layers/image/image_files.h"
#include "layers/image/image_store.h"
#include "layers/registry/repository.h"
#include "layers/registry/transfer.h"

namespace acetate::registry {

// Repositories of the same registry that are likely to have a blob, which then may be mounted from there.
using Neighbours = std::map<Digest, std::set<std::string>>;

struct PushOptions {
  image::Platform platform;    // whose image is sent, where not all of an index are here
  bool all_platforms = false;  // the index with all its images; ENOENT with words when one is not here
  int at_once = kTransfersAtOnce;
  TransferEvents events = {};
};

// What the registry now has under `tag`. Bytes are sent as they lie in `files`, so no digest changes.
// An index whose images are all here is sent whole; of one that was pulled for one platform, that one image. Errors with
// words.
Result<image::Descriptor> push_image(const image::ImageFiles& files, const image::Descriptor& target, Repository& repository,
                                     const std::string& tag, const Neighbours& neighbours, const PushOptions& options);

// An image of the store. Blobs that other images of the store have come from, or went to, repositories of the same
// registry are mounted from there (`registry`: its name in references).
Result<image::Descriptor> push_image(const image::ImageStore& store, const image::StoredImage& image,
                                     Repository& repository, const std::string& registry,
                                     const std::string& tag, const PushOptions& options);

}  // namespace acetate::registry
