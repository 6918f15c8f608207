#include "layers/tar/index_bytes.h"

#include <optional>
#include <utility>

namespace acetate {

Result<DecodedSourcePtr> plain_bytes(const LayerIndexPtr& index, SourcePtr packed, const MirrorStore* mirrors) {
  const IndexFacts& facts = index->facts();
  return seekable_source({.packed = std::move(packed),
                          .format = facts.format,
                          .plain_size = facts.plain_bytes,
                          .checkpoints = LayerIndex::checkpoints(index),
                          .read_ahead = true,
                          .mirrors = mirrors != nullptr ? std::optional(*mirrors) : std::nullopt,
                          .blob = facts.blob,
                          .cut = facts.fingerprint});
}

}  // namespace acetate
