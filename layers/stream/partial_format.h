// The bytes of a partial blob's map as C structs; docs/fetcher.md is the table, and the two change together.
#pragma once

#include <cstddef>
#include <cstdint>

namespace acetate::partial_format {

inline constexpr char kMagic[8] = {'A', 'C', 'E', 'T', 'P', 'A', 'R', '1'};
inline constexpr std::uint64_t kMostBytes = std::uint64_t{1} << 40;
inline constexpr std::uint64_t kCondemned = 1;

struct Header {
  char magic[8];
  std::uint64_t size;  // of the blob
  std::byte blob[32];  // Digest::head()
  std::uint64_t sum;   // xxh3 of the bytes before
  std::uint64_t state;  // 0, or kCondemned
};
static_assert(sizeof(Header) == 64);

// xxh3 of a block's bytes (1 where that is 0); 0: it is not there.
using Record = std::uint64_t;

constexpr std::uint64_t record_at(std::uint64_t block) { return sizeof(Header) + block * sizeof(Record); }

}  // namespace acetate::partial_format
