#include "tests/layers/tar/resigned.h"

#include <algorithm>
#include <cstddef>
#include <cstring>

#include "base/bytes.h"
#include "base/hash.h"
#include "layers/tar/index_format.h"

namespace acetate::test {

std::string signed_again(std::string bytes) {
  lix::Header header;
  std::memcpy(&header, bytes.data(), sizeof header);
  for (std::uint32_t i = 0; i < std::min(header.section_count, lix::kMaxSections); ++i) {
    const lix::SectionRecord& sums = header.sections[i];
    if (sums.id != static_cast<std::uint32_t>(lix::SectionId::group_sums)) continue;
    if (!in_bounds(sums.offset, sums.length, bytes.size()) || sums.offset < lix::kHeaderBytes) continue;
    std::uint64_t at = lix::kHeaderBytes;
    for (std::uint64_t j = 0; j + 8 <= sums.length && at < sums.offset; j += 8, at += lix::kGroupBytes) {
      const std::uint64_t sum =
          xxh3(as_bytes(bytes).subspan(at, std::min(lix::kGroupBytes, sums.offset - at)));
      std::memcpy(bytes.data() + sums.offset + j, &sum, sizeof sum);
    }
    header.group_sums_sum = xxh3(as_bytes(bytes).subspan(sums.offset, sums.length));
  }
  std::memcpy(bytes.data(), &header, sizeof header);
  header.sum = xxh3(as_bytes(bytes).first(offsetof(lix::Header, sum)));
  std::memcpy(bytes.data(), &header, sizeof header);
  return bytes;
}

}  // namespace acetate::test
