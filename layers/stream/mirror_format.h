// The bytes of a mirror file as C structs; docs/mirror.md is the table, and the two change together.
#pragma once

#include <cstddef>
#include <cstdint>

namespace acetate::mirror_format {

inline constexpr char kMagic[8] = {'A', 'C', 'E', 'T', 'M', 'I', 'R', '3'};
inline constexpr std::uint64_t kAlignment = 4096;
inline constexpr std::uint64_t kBlockBytes = 65536;

struct Header {
  char magic[8];
  std::uint64_t plain_bytes;
  std::uint64_t spans;
  std::byte blob[32];
  std::uint64_t cut;  // which index cut it into these spans: two that cut it differently must not share a file
  std::uint64_t reserved[3];
  std::uint64_t sum;  // xxh3 of the bytes before
};
static_assert(sizeof(Header) == 96);  // a multiple of a record, so that none lies across two sectors

struct Record {
  std::uint64_t sum;     // xxh3 of the checksums of the span's blocks (1 where that is 0); 0: not there, or not whole
  std::uint64_t begin;   // plain offset
  std::uint64_t length;  // 0: nothing was ever written
  std::uint32_t used;    // when it was last asked for, seconds since 1970
  std::uint32_t reserved;
};
static_assert(sizeof(Record) == 32);

// Where the header lies: behind the plain bytes. Precondition: plain_bytes < 2^62.
constexpr std::uint64_t header_at(std::uint64_t plain_bytes) {
  return (plain_bytes + kAlignment - 1) / kAlignment * kAlignment;
}
constexpr std::uint64_t record_at(std::uint64_t plain_bytes, std::uint64_t span) {
  return header_at(plain_bytes) + sizeof(Header) + span * sizeof(Record);
}

// The checksums of blocks come last. Those of a span begin at a number that its place alone decides: each span has one more than its
// bytes need at most, so none takes another's.
constexpr std::uint64_t block_sums_at(std::uint64_t plain_bytes, std::uint64_t spans, std::uint64_t span, std::uint64_t begin) {
  return record_at(plain_bytes, spans) + (begin / kBlockBytes + span) * sizeof(std::uint64_t);
}
constexpr std::uint64_t file_bytes(std::uint64_t plain_bytes, std::uint64_t spans) {
  return block_sums_at(plain_bytes, spans, spans, plain_bytes);
}

}  // namespace acetate::mirror_format
