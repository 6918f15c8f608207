// A blob that a lazy mount has begun to fetch, finished by the process that fetches it: what is here already, or on its way, is not
// asked for a second time.
#pragma once

#include <string>

#include "layers/image/descriptor.h"
#include "layers/registry/transfer.h"

namespace acetate::registry {

// `dir`: of partial blobs (LazyImages::dir()). Returns when the blob is verified and in the store; `present`: there is no partial
// one. That what was shown of it before turned out to be wrong is told in the log: the blob is right. Errors with words.
Result<TransferState> seal_blob(const std::string& dir, const image::Descriptor& blob, const Progress& progress);

}  // namespace acetate::registry
