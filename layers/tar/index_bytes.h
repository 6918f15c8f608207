// The plain bytes of a blob, by its layer index.
#pragma once

#include "base/result.h"
#include "layers/stream/mirror_store.h"
#include "layers/stream/seekable.h"
#include "layers/tar/index_store.h"

namespace acetate {

// As seekable_source(), with reading ahead. `mirrors`: where decoded bytes are kept; nowhere when null.
Result<DecodedSourcePtr> plain_bytes(const LayerIndexPtr& index, SourcePtr packed, const MirrorStore* mirrors = nullptr);

}  // namespace acetate
