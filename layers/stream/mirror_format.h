// The bytes of a mirror file as C structs; docs/mirror.md is the table, and the two change together.
#pragma once

#include <cstddef>
#include <cstdint>

namespace acetate::mirror_format {

inline constexpr char kMagic[8] = {'A', 'C', 'E', 'T', 'M', 'I', 'R', '1'};
inline constexpr std::uint64_t kAlignment = 4096;

struct Header {
  char magic[8];
  std::uint64_t plain_bytes;
  std::uint64_t spans;
  std::byte blob[32];
  std::uint64_t sum;  // xxh3 of the bytes before
};
static_assert(sizeof(Header) == 64);

struct Record {
  std::uint64_t sum;     // xxh3 of the span's bytes (1 where that is 0); 0: not there, or not whole
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

}  // namespace acetate::mirror_format
