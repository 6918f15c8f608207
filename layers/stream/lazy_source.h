// LazySource: the packed bytes of a blob that is still being fetched, read at any offset.
#pragma once

#include <atomic>
#include <memory>
#include <vector>

#include "layers/stream/blob_fetcher.h"
#include "layers/stream/partial_blob.h"
#include "layers/stream/source.h"

namespace acetate {

// By whose word the layer is shown: a condemned blob (PartialBlob::condemn) is one of which only our own index tells the
// truth, and neither one from elsewhere nor, perhaps, its table of contents.
enum class ShownBy { our_index, word_of_others };

// Thread-safe. What is here is read from disk, whether anybody can be reached or not; what is not is asked of the
// fetcher, and read from its memory where the disk is full. What cannot be had is EIO with words: never fewer bytes, never zeroes.
class LazySource final : public ByteSource {
 public:
  LazySource(std::unique_ptr<PartialBlob> blob, std::shared_ptr<BlobFetcher> fetcher,
             ShownBy shown_by = ShownBy::our_index);

  std::uint64_t size() const override { return blob_->size(); }
  Result<std::size_t> pread(std::span<std::byte> into, std::uint64_t offset) const override;
  Result<void> bring(std::uint64_t offset, std::uint64_t length) const override;
  void need(std::uint64_t offset, std::uint64_t length) const override;
  // Came: since this was made, into the files, whoever asked for it. Lent: there was no room for it in them.
  Fetched fetched() const override;
  // All of it will be read, in order and by somebody who waits.
  Result<void> complete(bool soon) const;
  const PartialBlob& blob() const noexcept { return *blob_; }

 private:
  Result<void> ensure(std::uint64_t first, std::uint64_t end) const;
  Result<void> fetch(std::uint64_t first, std::uint64_t end) const;
  Result<void> copy(std::uint64_t block, std::size_t skip, std::span<std::byte> into) const;
  Result<void> borrow(std::uint64_t block, std::size_t skip, std::span<std::byte> into) const;

  const std::unique_ptr<PartialBlob> blob_;
  const std::shared_ptr<BlobFetcher> fetcher_;
  const ShownBy shown_by_;
  const std::uint64_t here_before_;
  mutable std::vector<std::atomic<bool>> known_;  // by block: its checksum was found to be right
  mutable std::vector<std::atomic<bool>> needed_;  // by block
  mutable std::atomic<std::uint64_t> needed_bytes_ = 0, lent_bytes_ = 0;
  mutable std::atomic<bool> has_room_ = true;       // the last one who asked found some
  mutable std::atomic<bool> told_of_no_room_ = false;
};

}  // namespace acetate
