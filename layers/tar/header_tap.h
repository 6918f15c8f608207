// HeaderTap: hands the plain bytes of a layer to libarchive and keeps those that may be headers, so that they
// can be read a second time as they are.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/result.h"
#include "layers/stream/first_pass.h"

namespace acetate {

class HeaderTap {
 public:
  explicit HeaderTap(FirstPass& pass) : pass_(pass), block_(kBlockBytes) {}

  // The next bytes, none at the end. Valid until the next call.
  Result<std::span<const std::byte>> next();
  // Nobody will ask for bytes before this any more.
  void forget_before(std::uint64_t plain_offset) { keep_from_ = plain_offset; }
  // Bytes that went by and were not forgotten; empty when some of them were or did not yet.
  std::span<const std::byte> kept(std::uint64_t begin, std::uint64_t end) const;

 private:
  static constexpr std::size_t kBlockBytes = 128 * 1024;

  FirstPass& pass_;
  std::vector<std::byte> block_;
  std::uint64_t read_ = 0;       // plain bytes handed out
  std::uint64_t keep_from_ = 0;
  std::uint64_t kept_begin_ = 0; // where kept_ begins in the plain stream
  std::vector<std::byte> kept_;
};

}  // namespace acetate
