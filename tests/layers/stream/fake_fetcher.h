// A fetcher that fills partial blobs from memory, and remembers what it was asked for.
#pragma once

#include <utility>
#include <vector>

#include "layers/stream/blob_fetcher.h"

namespace acetate::test {

class FakeFetcher final : public BlobFetcher {
 public:
  explicit FakeFetcher(std::vector<std::byte> content) : bytes(std::move(content)) {}

  Result<void> fetch(const PartialBlob& blob, std::uint64_t first, std::uint64_t end) override {
    asked.emplace_back(first, end);
    if (fails) return fail(ETIMEDOUT, "nobody is there");
    if (is_full) return fail(ENOSPC, "there is no room");
    for (; first < end; ++first)
      TRY(blob.put(first, std::span(bytes).subspan(first * PartialBlob::kBlock, blob.bytes_of(first))));
    return {};
  }
  Result<std::vector<std::byte>> lend(const PartialBlob& blob, std::uint64_t block) override {
    lent.push_back(block);
    if (fails) return fail(ETIMEDOUT, "nobody is there");
    const auto of = std::span(bytes).subspan(block * PartialBlob::kBlock, blob.bytes_of(block));
    return std::vector(of.begin(), of.end());
  }
  Result<void> complete(const PartialBlob&, bool soon) override {
    wanted_whole = true;
    wanted_soon = soon;
    return {};
  }

  std::vector<std::byte> bytes;
  std::vector<std::pair<std::uint64_t, std::uint64_t>> asked;
  std::vector<std::uint64_t> lent;
  bool fails = false, is_full = false, wanted_whole = false, wanted_soon = false;
};

}  // namespace acetate::test
