#include "layers/tar/source_digest.h"

#include <cstddef>
#include <span>
#include <vector>

namespace acetate {

Result<Digest> digest_of(const ByteSource& source, Digest::Algorithm algorithm) {
  Hasher sha(algorithm);
  std::vector<std::byte> block(std::size_t{1} << 20);
  for (std::uint64_t at = 0;;) {
    const std::size_t count = TRY(source.pread(block, at));
    if (count == 0) return sha.finish();
    sha.update(std::span(block).first(count));
    at += count;
  }
}

}  // namespace acetate
