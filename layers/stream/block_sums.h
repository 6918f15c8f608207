// BlockSums: checksums of a span by blocks, so that who reads a little of it need not look at all of it first.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace acetate {

// Thread-safe.
class BlockSums {
 public:
  static constexpr std::size_t kBlockBytes = std::size_t{64} << 10;

  // xxh3 of each block; the last may be shorter.
  static std::vector<std::uint64_t> of(std::span<const std::byte> bytes);

  explicit BlockSums(std::vector<std::uint64_t> sums);

  // Whether the blocks that [offset, offset + length) touches are what their checksums say. `bytes`: the whole span, of which the range
  // is a part. A block is asked once, and believed from then on.
  bool hold(std::span<const std::byte> bytes, std::size_t offset, std::size_t length) const noexcept;

 private:
  std::vector<std::uint64_t> sums_;
  std::unique_ptr<std::atomic<std::uint64_t>[]> seen_;  // a bit a block
};

}  // namespace acetate
