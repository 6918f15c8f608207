// Packed streams of every make, built in memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "layers/stream/first_pass.h"
#include "layers/stream/seekable.h"

namespace acetate::test {

using Bytes = std::vector<std::byte>;

// The same one twice where the fast one was not built in.
inline constexpr InflateEngine kEngines[] = {InflateEngine::fastest, InflateEngine::zlib};

// Bytes like those of a tar: text that repeats itself near and far, runs, and noise. The same for the same seed.
Bytes sample_bytes(std::size_t size, std::uint64_t seed);
// Nothing repeats, so deflate stores or codes literals.
Bytes noise_bytes(std::size_t size, std::uint64_t seed);
// Every copy is from exactly 32768 bytes back.
Bytes far_bytes(std::size_t size, std::uint64_t seed);

struct GzipMake {
  int level = 6;
  int strategy = 0;            // Z_FIXED, Z_HUFFMAN_ONLY, …
  std::size_t flush_every = 0;  // plain bytes between flushes; 0: none
  int flush = 0;               // Z_SYNC_FLUSH, Z_FULL_FLUSH
  int memory = 8;              // zlib's memLevel: the smaller, the smaller the blocks
};
// One member.
Bytes gzip_of(std::span<const std::byte> plain, const GzipMake& make = {});
// One member with every optional field in its header.
Bytes gzip_with_fields(std::span<const std::byte> plain);
// What bgzip(1) writes: members of at most 64 KiB with their size in an extra field, and an empty one.
Bytes bgzip_of(std::span<const std::byte> plain);
// Members of the sizes given, over and over.
Bytes members_of(std::span<const std::byte> plain, std::span<const std::size_t> sizes, const GzipMake& make = {});

// One frame, or frames of `frame_bytes` each; with checksums.
Bytes zstd_of(std::span<const std::byte> plain, std::size_t frame_bytes = 0);
Bytes zstd_skippable(std::size_t size);

// One stream, with a CRC-64.
Bytes xz_of(std::span<const std::byte> plain);
Bytes bzip2_of(std::span<const std::byte> plain);

void append(Bytes& to, std::span<const std::byte> bytes);
Bytes bytes_of(std::string_view text);

// What a pass makes of it, read in pieces of `piece` bytes.
struct Passed {
  Bytes plain;
  FirstPassResult result;
};
Result<Passed> pass(const Bytes& packed, FirstPassOptions options = {}, std::size_t piece = 10240);

}  // namespace acetate::test
