// From a file to a layer: finds the index of a tarball, or makes it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/digest.h"
#include "base/fd.h"
#include "base/result.h"
#include "layers/layer.h"
#include "layers/stream/seekable.h"
#include "layers/tar/identity_cache.h"
#include "layers/tar/index_store.h"
#include "layers/tar/tar_scan.h"
#include "layers/tar/toc_trust.h"

namespace acetate {

struct TarFile {
  Fd file;  // open for reading
  std::uint64_t offset = 0;
  std::optional<std::uint64_t> length = {};
  // What it must be. Of a packed tarball whose index is known nothing is read to prove it, because each span of it
  // is verified when it is decoded; one that is not packed is hashed, once for as long as it does not change.
  std::optional<Digest> digest = {};
  // Of the table of contents, as the manifest has it that has `digest` too. Looked at where no index is known.
  std::optional<Digest> toc = {};
  TocTrust toc_trust = TocTrust::promote;
};

struct OpenedTar {
  LayerPtr layer;
  DecodedSourcePtr bytes;  // what the layer reads, for whoever counts it
  IndexFacts facts;  // of a layer by its table of contents: entries and sizes, and no digests but the blob's
  bool index_was_cached = false;
  bool is_lazy = false;           // open_lazy_tar(): not all of it is here
  bool index_is_foreign = false;  // open_lazy_tar(): nobody here has made, or checked, the index it is shown by
  bool is_by_toc = false;         // shown by its table of contents, while its tar is read behind it
};

// With an index at hand nothing of the tarball is read. Else one pass reads, hashes and decodes it, and the
// index is kept in `indexes` for the next time; of two processes that open one tarball at once, one does so.
// A file whose digest nobody gives is hashed once and then known by `identities`.
//
// A tarball whose table of contents can be trusted (toc_trust.h) is shown by that, and its index made behind it.
//
// EBADMSG when the bytes are not those of `digest`, are damaged, or are no tar; EINVAL when the file is
// shorter than offset and length say; ESTALE when it changed while it was read. All with words.
//
// `mirrors`: where decoded bytes are kept; nowhere when null.
Result<OpenedTar> open_tar(TarFile tar, const IndexStore& indexes, const IdentityCache& identities,
                           const TarScanOptions& options = {}, const MirrorStore* mirrors = nullptr);

}  // namespace acetate
