// FirstPass: reads a packed stream once, from the beginning to the end, and learns all there is to know for
// reading it at any offset afterwards.
//
// While somebody (the tar reader) takes the plain bytes it hashes packed and plain bytes, leaves a checkpoint
// about every `span_bytes`, and checks what the format itself carries: CRC-32 and length of every gzip member,
// zstd checksums.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/digest.h"
#include "base/result.h"
#include "layers/stream/checkpoint.h"
#include "layers/stream/engine.h"
#include "layers/stream/format.h"
#include "layers/stream/source.h"

namespace acetate {

struct FirstPassOptions {
  // Plain bytes from one checkpoint to the next, about: the next legal place after that many is taken, and a
  // span is split at twice that many. From 1 to kMaxSpanBytes / 2.
  std::uint64_t span_bytes = std::uint64_t{2} << 20;
  InflateEngine engine = InflateEngine::fastest;
  // Bombs. A stream that grows past either is EFBIG in words. Deflate cannot grow more than 1032-fold; zstd, xz
  // and bzip2 can, and a layer of a few kilobytes could keep a machine busy for days.
  std::uint64_t most_plain_bytes = std::uint64_t{1} << 40;
  std::uint64_t most_ratio = 2000;                               // plain to packed bytes …
  std::uint64_t ratio_free_bytes = std::uint64_t{8} << 30;       // … of streams that are longer than this
  // Of what kind the digests are that it tells: as those that they are to be compared with.
  Digest::Algorithm blob_by = Digest::Algorithm::sha256;
  Digest::Algorithm diff_id_by = Digest::Algorithm::sha256;
};

// What a finished pass knows.
struct FirstPassResult {
  Format format = Format::unknown;
  Digest blob;     // of all packed bytes
  Digest diff_id;  // of all plain bytes
  std::uint64_t packed_size = 0;
  std::uint64_t plain_size = 0;
  // Packed bytes after the last member or frame: padding or garbage. Part of `blob`, and tolerated as gzip(1)
  // tolerates them.
  std::uint64_t trailing_bytes = 0;
  // Empty for Format::plain, which needs none; else at least one.
  std::vector<Checkpoint> checkpoints;
};

// Not thread-safe. After an error it stays at that error.
//
// Damage is EBADMSG, in words that say where: at which byte of the packed and of the plain stream. Errors of
// the source keep their code.
class FirstPass {
 public:
  // EBADMSG with words for what is no tar at all, EINVAL for options.
  static Result<FirstPass> open(SourcePtr packed, FirstPassOptions options = {});
  FirstPass(FirstPass&&) noexcept;
  FirstPass& operator=(FirstPass&&) noexcept;
  ~FirstPass();

  Format format() const noexcept;
  // The next plain bytes: at least one, perhaps fewer than asked; 0 at the end.
  Result<std::size_t> read(std::span<std::byte> into);
  // Where the next read() begins, and how much of the packed bytes was needed for that.
  std::uint64_t plain_offset() const noexcept;
  std::uint64_t packed_offset() const noexcept;

  // Reads whatever nobody read (a tar reader stops at the end mark), and tells. May be called once; nothing
  // but the destructor after it.
  Result<FirstPassResult> finish();

 private:
  struct State;
  explicit FirstPass(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace acetate
