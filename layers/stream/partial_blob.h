// PartialBlob: a blob of which not all bytes are here yet. Two files in one directory: HEX.data, sparse, as long as the
// blob, and HEX.map, which says of every block of 64 KiB whether it is there. docs/fetcher.md has the table of its bytes.
//
// A block is there when its record in the map is the checksum of its bytes. So torn writes, lost pages and a kill in the
// middle are nothing but absence, and no write needs a sync. One process writes (the fetcher), any number read.
//
// The checksums are no proof of what the bytes are: that is the digest's, when all are there, and the layer index's
// before.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/digest.h"
#include "base/fd.h"
#include "base/result.h"

namespace acetate {

// Thread-safe.
class PartialBlob {
 public:
  static constexpr std::uint64_t kBlock = std::uint64_t{64} << 10;

  struct Of {
    Digest blob;
    std::uint64_t size = 0;
  };

  // Makes the files where there are none; those that are damaged, or of another size, are made anew unless somebody has
  // them open (EBUSY with words). Whoever comes second finds what the first has made.
  static Result<std::unique_ptr<PartialBlob>> make(const std::string& dir, const Of& of);
  // ENOENT bare when there is none; EBADMSG with words for what is none, or is not ours alone to write.
  static Result<std::unique_ptr<PartialBlob>> open(const std::string& dir, const Digest& blob);
  // Whether the names below `dir` still stand for what is open here.
  Result<bool> is_current(const std::string& dir) const;
  // The files' names below `dir`, also where there are none.
  static std::string data_name(const Digest& blob) { return blob.hex() + ".data"; }
  static std::string map_name(const Digest& blob) { return blob.hex() + ".map"; }

  const Digest& digest() const noexcept { return of_.blob; }
  std::uint64_t size() const noexcept { return of_.size; }
  std::uint64_t blocks() const noexcept { return (of_.size + kBlock - 1) / kBlock; }
  // How many bytes a block has: kBlock, but for the last.
  std::size_t bytes_of(std::uint64_t block) const noexcept;

  // Of blocks `first` to `end` (not included): which the map says are there. Nobody has looked at their bytes.
  Result<std::vector<bool>> present(std::uint64_t first, std::uint64_t end) const;
  // The bytes the map says are there.
  Result<std::uint64_t> present_bytes() const;

  // A block's bytes, verified; false when it is not there, or not what was put.
  Result<bool> read(std::uint64_t block, std::span<std::byte> into) const;
  // `bytes` are the block's, all of them. ENOSPC and the like bare.
  Result<void> put(std::uint64_t block, std::span<const std::byte> bytes) const;
  Result<void> forget(std::uint64_t block) const;
  Result<void> forget_all() const;

  // Somebody has found out that an index from elsewhere does not tell its content. Whoever shows it by such a one asks
  // before he reads, and answers EIO.
  Result<void> condemn() const;
  bool is_condemned() const;

  // Held shared by whoever reads or writes it, so that garbage collection leaves it alone.
  FdRef data() const noexcept { return data_.ref(); }

 private:
  static Result<std::unique_ptr<PartialBlob>> open_in(FdRef dir, const std::string& path, const Digest& blob, bool again);
  PartialBlob(const Of& of, Fd data, Fd map) : of_(of), data_(std::move(data)), map_(std::move(map)) {}

  const Of of_;
  const Fd data_, map_;
};

}  // namespace acetate
