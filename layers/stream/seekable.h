// Plain bytes of a packed stream at any offset, by its checkpoints.
#pragma once

#include <cstddef>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/result.h"
#include "layers/stream/checkpoint.h"
#include "layers/stream/engine.h"
#include "layers/stream/format.h"
#include "layers/stream/mirror_store.h"
#include "layers/stream/source.h"
#include "layers/stream/span_cache.h"

namespace acetate {

// What reading has cost so far: for "of 600 MB this container read 14".
struct DecodeCount {
  std::uint64_t spans = 0;         // decoded, verified and handed out
  std::uint64_t plain_bytes = 0;   // decoded (or read, where the tar is plain)
  std::uint64_t packed_bytes = 0;  // read from the packed source for that
  std::uint64_t starts = 0;        // decoders begun at a checkpoint; sequential readers begin one
  std::uint64_t prefetched = 0;    // spans had ready because earlier runs came to them, before anybody asked
  std::uint64_t prefetch_used = 0;  // and those of them that somebody came to
  // Of layers that are still being fetched:
  std::uint64_t waits = 0;               // calls of readers that waited for bytes that were not here (far_wait.h), …
  std::chrono::nanoseconds waited{};     // … for so long together
  std::uint64_t needed_bytes = 0;        // packed: of the pieces that readers came to, each once
  std::uint64_t fetched_bytes = 0;       // packed: those that came since the layer was opened, for whatever reason, and are on the disk
  std::uint64_t lent_bytes = 0;          // packed: read from the fetcher's memory, there being no room for them on the disk
  DecodeCount& operator+=(const DecodeCount& other) noexcept;
};

class DecodedSource : public ByteSource {
 public:
  virtual DecodeCount counted() const noexcept = 0;
  // From now on: what earlier runs noted in the file `trace` (read_trace.h) is decoded before it is asked for, on the thread
  // of ReadAhead; where readers come to is noted, and kept there for the next run when this ends, or a minute has passed.
  // The first call counts. Nothing, where nothing has to be decoded.
  virtual void learn(const std::string& /*trace*/) const {}
};

using DecodedSourcePtr = std::shared_ptr<const DecodedSource>;

struct Seekable {
  SourcePtr packed;
  Format format = Format::unknown;
  std::uint64_t plain_size = 0;
  CheckpointTablePtr checkpoints;            // not looked at for Format::plain
  SpanCache* cache = &SpanCache::process();  // outlives the source
  InflateEngine engine = InflateEngine::fastest;
  bool read_ahead = false;                         // decode beside a sequential reader what it will want next
  std::optional<MirrorStore> mirrors = {};         // where decoded spans are kept, by `blob`
  Digest blob = {};
  std::uint64_t cut = 0;  // the fingerprint of the index that `checkpoints` are of
};

// The source of plain bytes. Thread-safe.
//
// Uncompressed tars are passed straight through, plain() included. Otherwise reads are answered from decoded
// spans: a reader that goes on where it was continues its decoder, any other begins at the checkpoint before.
// Up to kLiveDecoders decoders are kept for readers to come. Each span is verified against its digest, where
// there is one, before any byte of it is handed out. A gzip span that the fast decoder gets wrong is decoded by
// zlib.
//
// Decoded spans are kept in the blob's mirror, where there is one; stretch() leads into it. A stream that can only
// be decoded from its beginning is given an unnamed mirror where it has no other, and on the way to a span all
// before it are kept.
//
// pread: what is damaged, does not verify or does not fit the table is EIO with words, logged once a source;
// errors of the packed source keep their code. Never wrong bytes.
//
// EINVAL with words when the table is empty or does not begin at offset 0, EBADMSG when a plain source has not
// the size expected, ENOTSUP for other formats.
Result<DecodedSourcePtr> seekable_source(Seekable what);

inline constexpr std::size_t kLiveDecoders = 4;

}  // namespace acetate
