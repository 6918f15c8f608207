// What a layer was shown by before all of it was here, held against the blob once it is.
#pragma once

#include <optional>
#include <string>

#include "base/digest.h"
#include "base/result.h"
#include "layers/stream/source.h"
#include "layers/tar/index_store.h"

namespace acetate {

struct ShownLayer {
  std::string dir;  // of partial blobs: indexes from elsewhere lie there
  Digest blob;
  // Of its table of contents, where a manifest names one: whoever had no index was shown the layer by that.
  std::optional<Digest> toc = {};
};

// All bytes are here, and verified. Makes our own index, where there is none and something is to be held against it: every
// index from elsewhere, and the table of contents. EBADMSG with words when one of them tells another tree; any other error
// is our own trouble, and nothing is known.
Result<void> check_shown(const ShownLayer& layer, const IndexStore& indexes, const SourcePtr& packed);

}  // namespace acetate
