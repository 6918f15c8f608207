// How far a table of contents is believed.
//
// The tar is what a layer's digest vouches for; a table vouches for nothing but its own chunks. A table whose digest
// stands in the image's manifest comes from whoever the blob comes from, so it may be shown at once; but a scanner that
// reads the tar and a container that runs by the table must not see two trees. So the tar is read all the same, behind
// what is shown, and a difference poisons the layer.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/digest.h"
#include "base/result.h"
#include "layers/layer.h"
#include "layers/stream/seekable.h"
#include "layers/tar/index_store.h"
#include "layers/tar/tar_scan.h"

namespace acetate {

enum class TocTrust {
  promote,  // shown by its table at once, held against its tar behind that
  strict,   // held against its tar before anything of it is shown
  off,      // tables are not looked at
};
// "promote", "strict", "off"; EINVAL with words.
Result<TocTrust> parse_toc_trust(std::string_view text);

struct TocOpened {
  LayerPtr layer;
  DecodedSourcePtr bytes;  // what the layer reads, for whoever counts it
  std::uint64_t entries = 0;
  std::uint64_t plain_bytes = 0;  // of files
};

// The layer of the blob whose table has the digest `toc` (as manifests have it: of eStargz the JSON's, of zstd:chunked the
// packed table's), shown by that table alone. From now on a thread reads the whole blob: its digest must be `blob` and its
// tar must tell the same tree. Then its index is kept in `indexes`, for the next time. Where not, everything of the layer
// is EIO from then on, and the log says why. The thread ends with the layer.
//
// ENOENT bare: the blob has no table. EBADMSG: it is another one, or damaged. ENOTSUP: it cannot be shown by it. In words.
Result<TocOpened> open_by_toc(const SourcePtr& packed, const Digest& blob, const Digest& toc, const IndexStore& indexes,
                              const TarScanOptions& options);

// Whether the table of a blob, where it has one, tells what the tar does, whose index is given. False: there is none that
// could be held against it. EBADMSG as same_tree().
Result<bool> hold_toc_against(const LayerIndexPtr& index, const SourcePtr& packed);

}  // namespace acetate
