// A tarball as a layer while it is still being fetched.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "base/digest.h"
#include "base/result.h"
#include "layers/stream/blob_fetcher.h"
#include "layers/tar/open_tar.h"

namespace acetate {

struct LazyTar {
  std::string dir;  // of partial blobs
  Digest blob;
  std::optional<Digest> index = {};  // the origin whose index is believed; null: none but our own
  // Of its table of contents, as the manifest has it that has `blob` too.
  std::optional<Digest> toc = {};
  TocTrust toc_trust = TocTrust::promote;
  std::shared_ptr<BlobFetcher> fetcher = {};  // null: the process that fetches for `dir`
};

// With an index of our own at hand it is opened at once. So it is by its table of contents, where the manifest names that
// (its end is fetched, and each chunk is verified by it), and else by an index that came from the registry along with the
// image (HEX.ORIGIN.lix beside the partial blob; several images share a layer, and each is shown by its own). Those two are
// believed for as long as not all is here: then the fetcher makes our own and holds them against it (check_shown.h), and a
// blob that is condemned by that answers EIO, whatever is asked. Until then nothing that is derived from them is kept.
//
// Without any of them all of it is fetched, and indexed on its way; so it is with TocTrust::strict, and then held against
// its table. A tar that is not packed is opened when it is all here, because nothing verifies its bytes otherwise.
//
// ENOENT bare where there is no such partial blob. Else as open_tar(); EIO with words for what cannot be fetched.
Result<OpenedTar> open_lazy_tar(const LazyTar& tar, const IndexStore& indexes, const MirrorStore* mirrors = nullptr);

}  // namespace acetate
