#include "base/hash.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#ifdef ACETATE_WITH_AVX2
#include "base/hash_avx2.h"
#endif

namespace acetate {

std::uint64_t xxh3(std::span<const std::byte> bytes, std::uint64_t seed) noexcept {
#ifdef ACETATE_WITH_AVX2
  static const bool has_avx2 = __builtin_cpu_supports("avx2") != 0;
  if (has_avx2) return acetate_xxh3_avx2(bytes.data(), bytes.size(), seed);
#endif
  return XXH3_64bits_withSeed(bytes.data(), bytes.size(), seed);
}

}  // namespace acetate
