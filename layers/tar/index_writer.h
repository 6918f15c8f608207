// A scanned tarball becomes the bytes of a layer index. docs/layer-index.md is the table of bytes.
#pragma once

#include <cstdint>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "layers/tar/index_format.h"
#include "layers/tar/tar_scan.h"

namespace acetate {

// The records of an index, numbered and sorted, ready to be written. The same scan always gives the same bytes.
class IndexImage {
 public:
  // Keeps the scan: strings, xattrs and windows are written out of it.
  static IndexImage build(TarScan scan);

  const Digest& blob() const noexcept { return scan_.pass.blob; }
  // Writes a whole index into an empty file, header last, so that what is half written is no index. Not synced.
  Result<void> write(FdRef out) const;

 private:
  explicit IndexImage(TarScan scan) : scan_(std::move(scan)) {}
  void number_objects();
  void add_dirents(std::uint32_t dir_object, std::uint32_t dir_inode, std::span<const std::uint32_t> names);
  std::uint32_t inode_of(std::uint32_t object);
  void fill_inode(std::uint32_t object, lix::Inode& inode) const;

  TarScan scan_;
  std::uint64_t seed_ = 0;
  std::vector<std::uint32_t> inode_numbers_;  // by object
  std::vector<std::uint32_t> objects_;        // by inode
  std::vector<lix::Inode> inodes_;
  std::vector<lix::Dirent> dirents_;
  std::vector<lix::Slot> slots_;
};

}  // namespace acetate
