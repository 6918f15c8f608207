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
    for (; first < end; ++first)
      TRY(blob.put(first, std::span(bytes).subspan(first * PartialBlob::kBlock, blob.bytes_of(first))));
    return {};
  }
  Result<void> complete(const PartialBlob&, bool soon) override {
    wanted_whole = true;
    wanted_soon = soon;
    return {};
  }

  std::vector<std::byte> bytes;
  std::vector<std::pair<std::uint64_t, std::uint64_t>> asked;
  bool fails = false, wanted_whole = false, wanted_soon = false;
};

}  // namespace acetate::test
