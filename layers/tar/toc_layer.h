// A layer by its table of contents (eStargz, zstd:chunked): nothing but the table is decoded to see the tree, and
// each chunk of a file only when it is read.
//
// What the table says need not be what the tar says; somebody who looks at the one and runs the other can be deceived.
// So a table is believed only when its own digest comes from where the blob's comes from, and same_tree() holds the two
// against each other when all bytes are there.
#pragma once

#include <optional>
#include <string>

#include "base/digest.h"
#include "base/result.h"
#include "layers/layer.h"
#include "layers/stream/seekable.h"
#include "layers/stream/span_cache.h"
#include "layers/tar/tar_limits.h"
#include "layers/tar/toc_place.h"

namespace acetate {

struct TocOptions {
  TarLimits limits = {};
  std::optional<Digest> digest = {};         // what the table must be, as read_toc() has it
  SpanCache* cache = &SpanCache::process();  // of decoded chunks; outlives the layer
  bool programs_whole_at_open = false;       // TarLayerOptions has it
};

struct TocLayer {
  LayerPtr layer;
  DecodedSourcePtr bytes;  // what the layer reads, for whoever counts it
  std::uint64_t entries = 0;
  std::uint64_t plain_bytes = 0;  // of all files
};

// The tree that the table at `place` tells. EBADMSG: it is another one than asked for, is damaged, contradicts itself, or
// its chunks do not make up its files; EFBIG: past a limit. All in words.
Result<TocLayer> toc_layer(const SourcePtr& packed, const TocPlace& place, const TocOptions& options = {});

// Whether two trees, one of them from a table of contents, show the same: names, types, modes, owners, sizes, times to
// the second (tables have no more), targets, xattrs and every byte. EBADMSG in words that name the first difference.
// What only a table's maker put into the tar (the table itself, landmarks) does not count.
Result<void> same_tree(const Layer& toc, const Layer& tar);

}  // namespace acetate
