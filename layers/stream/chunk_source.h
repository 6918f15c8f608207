// Plain bytes put together from chunks, each packed for itself: what a table of contents (eStargz, zstd:chunked) leads
// to. Nothing has to be decoded before a chunk can be.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/digest.h"
#include "base/result.h"
#include "layers/stream/format.h"
#include "layers/stream/seekable.h"
#include "layers/stream/span_cache.h"

namespace acetate {

struct Chunk {
  std::uint64_t plain_offset = 0;   // in the source that is made of them
  std::uint64_t length = 0;
  std::uint64_t packed_offset = 0;  // where its gzip member or zstd frame begins
  std::uint64_t inner_offset = 0;   // plain bytes before it in there: other files', and headers
  std::optional<Digest> digest = {};
  bool goes_on = false;             // in the next one, of the same file
};

// By rising plain offset, without gaps, each of 1 to kMaxSpanBytes bytes, behind at most as many: EINVAL with words. Thread-safe. Each chunk is
// verified against its digest before any byte of it is handed out; what is damaged or does not verify is EIO with
// words, errors of the packed source keep their code.
//
// A chunk's packed bytes end where the next member or frame begins, and the last one's before `packed_end`: they are
// brought in one piece (ByteSource::bring) before they are read, and with them what follows of the same file, up to a mebibyte where it lies side by
// side: who reads the beginning of a file reads on, as a rule, and would wait for each of its chunks (of 64 KiB, in a zstd:chunked layer).
Result<DecodedSourcePtr> chunk_source(SourcePtr packed, Format format, std::vector<Chunk> chunks, std::uint64_t packed_end,
                                      SpanCache& cache = SpanCache::process());

}  // namespace acetate
