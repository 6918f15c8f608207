// No header of the C++ library here: what it defines inline would be compiled for AVX2 too, and the linker might keep that for everybody.
#include "base/hash_avx2.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

uint64_t acetate_xxh3_avx2(const void* bytes, size_t length, uint64_t seed) noexcept { return XXH3_64bits_withSeed(bytes, length, seed); }
