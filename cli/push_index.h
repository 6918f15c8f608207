// push --index: the indexes of an image's layers, and by --trace what was read of them, into the registry beside it.
#pragma once

#include "layers/image/image_store.h"
#include "layers/registry/repository.h"

namespace acetate::cli {

enum class Traces { kept_here, sent_too };
// Of every image that was sent below `target`; what has no index yet gets one. Errors with words.
Result<void> push_indexes_of(const image::ImageStore& store, const image::StoredImage& stored,
                             const image::Descriptor& target, registry::Repository& repository, Traces traces);

}  // namespace acetate::cli
