// A blob that is whole, and verified, becomes one of the store's.
#pragma once

#include <string>

#include "layers/stream/partial_blob.h"

namespace acetate::registry {

// Holds the indexes that came from elsewhere, and the table of contents its ticket names, against the blob (and makes our own), moves the blob to its place in the store
// that `dir` (STORE/.acetate-lazy) belongs to, and gives the store the images that are whole by that. One that tells
// another tree condemns the partial blob: whoever reads by such a one gets EIO from then on, and EBADMSG with words is
// returned; the blob itself is good, and stays. Any other error leaves it partial, or halfway there. Interrupted anywhere it
// can be done again.
Result<void> publish_blob(const std::string& dir, const PartialBlob& blob, const std::string& index_dir);

}  // namespace acetate::registry
