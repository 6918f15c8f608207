// A tarball as a layer while it is still being fetched.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/digest.h"
#include "base/result.h"
#include "layers/stream/blob_fetcher.h"
#include "layers/tar/open_tar.h"

namespace acetate {

struct LazyTar {
  std::string dir;  // of partial blobs
  Digest blob;
  std::optional<Digest> index = {};  // the origin whose index is believed; null: none but our own
  std::shared_ptr<BlobFetcher> fetcher = {};  // null: the process that fetches for `dir`
};

// With an index of our own at hand it is opened at once, and so it is with one that came from the registry along with the
// image (HEX.ORIGIN.lix beside the partial blob; several images share a layer, and each is shown by its own). That one is believed for as long as not all is here: then the fetcher makes
// our own and holds the two against each other. Until then nothing that is derived from it is kept.
//
// Without an index all of it is fetched, and indexed on its way. A tar that is not packed is opened when it is all here,
// because nothing verifies its bytes otherwise.
//
// ENOENT bare where there is no such partial blob. Else as open_tar(); EIO with words for what cannot be fetched.
Result<OpenedTar> open_lazy_tar(const LazyTar& tar, const IndexStore& indexes, const MirrorStore* mirrors = nullptr);

// The name of an index from elsewhere, below the directory of partial blobs.
std::string foreign_index_name(const Digest& blob, const Digest& origin);
// Those there are, whosever.
Result<std::vector<std::string>> foreign_index_names(const std::string& dir, const Digest& blob);
// Null when there is none, or none that is one.
LayerIndexPtr find_foreign_index(const std::string& dir, const Digest& blob, const Digest& origin);

// Now that all bytes are here, and verified: makes our own index, where there is none, and holds all from elsewhere
// against it. EBADMSG with words when one of them tells another tree; any other error is our own trouble, and nothing is
// known.
Result<void> check_foreign_indexes(const std::string& dir, const Digest& blob, const IndexStore& indexes,
                                   const SourcePtr& packed);

}  // namespace acetate
