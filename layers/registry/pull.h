// An image from a registry into a layout: manifest, then every blob that is not there, then the documents.
#pragma once

#include <functional>
#include <string>

#include "layers/image/image.h"
#include "layers/image/image_copy.h"
#include "layers/image/image_store.h"
#include "layers/registry/repository.h"
#include "layers/registry/transfer.h"

namespace acetate::registry {

struct PullOptions {
  image::Platform platform;
  bool all_platforms = false;  // of an index: every image and what is told of them, not the one image for `platform`
  int at_once = kTransfersAtOnce;
  TransferEvents events = {};
  // Set: layers that the layout does not have are not fetched but handed to it, before any document is put in.
  std::function<Result<void>(const image::Descriptor& layer)> later = {};
};

struct Pulled {
  image::Descriptor target;    // what the name stands for: an index where the registry has one
  image::Descriptor manifest;  // of the image for the platform
  Digest id;                   // of its config, which people call the image's id
};

// Puts everything into the layout, verified, and leaves the name to the caller (into.set_reference(name,
// target)). An index is kept byte for byte with only the chosen image below it. Blobs that `has` knows are not
// fetched; what an interrupted pull completed is not fetched again. Errors with words: those of the
// repository; ENOENT when the index has no image for the platform; EFBIG past 10,000 documents, or 256 MiB of them; ENOTSUP for schema 1 and for artifacts;
// EBADMSG for what is not what its digest says.
Result<Pulled> pull_image(Repository& repository, const std::string& reference, image::Layout& into, const image::HasBlob& has,
                          const PullOptions& options);
// With ImageStore::bring(). Of a blob that an interrupted pull or a lazy mount has begun only the rest is fetched.
Result<Pulled> pull_image(Repository& repository, const std::string& reference, image::ImageStore& store,
                          const PullOptions& options);

}  // namespace acetate::registry
