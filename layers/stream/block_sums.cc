#include "layers/stream/block_sums.h"

#include <algorithm>

#include "base/hash.h"

namespace acetate {

namespace {

constexpr std::size_t kBits = 64;

std::span<const std::byte> block_of(std::span<const std::byte> bytes, std::size_t block) noexcept {
  const auto rest = bytes.subspan(block * BlockSums::kBlockBytes);
  return rest.first(std::min(rest.size(), BlockSums::kBlockBytes));
}

}  // namespace

std::vector<std::uint64_t> BlockSums::of(std::span<const std::byte> bytes) {
  std::vector<std::uint64_t> sums((bytes.size() + kBlockBytes - 1) / kBlockBytes);
  for (std::size_t block = 0; block < sums.size(); ++block) sums[block] = xxh3(block_of(bytes, block));
  return sums;
}

BlockSums::BlockSums(std::vector<std::uint64_t> sums)
    : sums_(std::move(sums)), seen_(std::make_unique<std::atomic<std::uint64_t>[]>(sums_.size() / kBits + 1)) {}

bool BlockSums::hold(std::span<const std::byte> bytes, std::size_t offset, std::size_t length) const noexcept {
  if (length == 0) return true;
  if (offset >= bytes.size() || length > bytes.size() - offset) return false;
  const std::size_t last = (offset + length - 1) / kBlockBytes;
  if (last >= sums_.size()) return false;
  for (std::size_t block = offset / kBlockBytes; block <= last; ++block) {
    const std::uint64_t bit = std::uint64_t{1} << (block % kBits);
    if ((seen_[block / kBits].load(std::memory_order_relaxed) & bit) != 0) continue;
    if (xxh3(block_of(bytes, block)) != sums_[block]) return false;
    seen_[block / kBits].fetch_or(bit, std::memory_order_relaxed);
  }
  return true;
}

}  // namespace acetate
