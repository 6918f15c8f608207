// BlobFetcher: who fills partial blobs. Ours is a process of its own (fetcher_client.h), so that whoever holds a mount
// talks to no network; tests have others.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/digest.h"
#include "base/result.h"
#include "layers/stream/partial_blob.h"

namespace acetate {

// Thread-safe.
class BlobFetcher {
 public:
  virtual ~BlobFetcher() = default;
  // Returns when those blocks are in the partial blob. Any error, with words, says that they could not be had; ETIMEDOUT
  // that nothing came for so long that waiting on is no use. ENOSPC: there is no room for them in it, and lend() has them.
  virtual Result<void> fetch(const PartialBlob& blob, std::uint64_t first_block, std::uint64_t end_block) = 0;
  // The bytes of a block, whether there is room for it or not; errors as fetch().
  virtual Result<std::vector<std::byte>> lend(const PartialBlob& blob, std::uint64_t block) = 0;
  // All of the blob is wanted: `soon` by somebody who waits, else when nothing else is to be done. Does not wait.
  virtual Result<void> complete(const PartialBlob& blob, bool soon) = 0;
};

}  // namespace acetate
