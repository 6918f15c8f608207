// Where a blob's table of contents lies: at its end, told by a footer. Sources: stargz-snapshotter docs/estargz.md,
// containers/storage docs/containers-storage-zstd-chunked.md, and what both programs really write.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/digest.h"
#include "base/result.h"
#include "layers/stream/format.h"
#include "layers/stream/source.h"

namespace acetate {

struct TocPlace {
  Format format = Format::unknown;  // gzip: eStargz, zstd: zstd:chunked
  std::uint64_t offset = 0;         // in the packed bytes
  std::uint64_t length = 0;
};

// A table of contents larger than that is a bomb (EFBIG): an image of a million files has some 150 MB.
inline constexpr std::uint64_t kMostTocBytes = std::uint64_t{150} << 20;

// Both footers of eStargz (47 and 51 bytes) and both generations of zstd:chunked (40 and 64 bytes). Nothing: the blob
// has none. ENOTSUP with words: it lies outside the blob.
Result<std::optional<TocPlace>> find_toc(const ByteSource& packed);

// Its JSON, unpacked. `digest` is what manifests have: of the JSON (containerd.io/snapshot/stargz/toc.digest, which stargz-snapshotter
// also gives zstd:chunked layers) or of zstd:chunked's packed bytes (….zstd-chunked.manifest-checksum). EBADMSG, EFBIG with words.
Result<std::string> read_toc(const SourcePtr& packed, const TocPlace& place, const std::optional<Digest>& digest = {});

}  // namespace acetate
