// LayerIndex: a layer index, asked. What is in the layer, and where; docs/layer-index.md has the format.
//
// Opening costs the same whatever the number of files. No call but checkpoint reading and open allocates on
// success, and none makes a system call. Memory-safe even if every byte is hostile: every number is checked
// where it is used, and a directory's number is smaller than its subdirectories', so no walk goes in a circle.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/digest.h"
#include "base/result.h"
#include "layers/layer.h"
#include "layers/stream/checkpoint.h"
#include "layers/tar/index_facts.h"
#include "layers/tar/index_file.h"

namespace acetate {

class LayerIndex {
 public:
  // As IndexFile::open(); EBADMSG also when it is of another blob.
  static Result<std::shared_ptr<const LayerIndex>> open(FdRef fd, std::string path, const Digest& blob,
                                                        lix::IndexKind kind = lix::IndexKind::layer,
                                                        std::uint64_t verified_whole = IndexFile::kVerifiedWhole,
                                                        std::string note = {});

  const IndexFacts& facts() const noexcept { return facts_; }
  // Whether every checksum in it is right: reads all of it.
  bool is_whole() const { return file_->verify_all(); }

  static constexpr std::uint32_t kRoot = 0;
  Result<lix::Inode> inode(std::uint32_t number) const;

  struct Found {
    std::uint32_t number = 0;  // of a whiteout: meaningless
    lix::Inode inode{};
    Marker marker = Marker::none;
  };
  // ENOENT, ENOTDIR. One probe of the hash table, also for what is absent.
  Result<Found> lookup(std::uint32_t dir, std::string_view name) const;

  struct Listed {
    std::string_view name;
    unsigned char type;
    Marker marker;
    std::uint32_t number;
  };
  // In byte order of the names, until the callback says false. ENOTDIR.
  Result<void> list(std::uint32_t dir, const std::function<bool(const Listed&)>& each) const;

  // The target of a symlink or link_to.
  Result<std::string_view> text(const lix::Inode& inode) const;
  bool has_xattrs() const noexcept { return file_->count(lix::SectionId::xattrs) != 0; }  // any entry
  // The callback gets each, until it returns false. Views into the index.
  Result<void> xattrs(const lix::Inode& inode,
                      const std::function<bool(std::string_view name, std::string_view value)>& each) const;
  Result<std::optional<Digest>> content_id(const lix::Inode& inode) const;
  // Of compiled stacks: whose object this is.
  Result<lix::Source> source(std::uint32_t number) const;
  Result<lix::Extent> extent(const lix::Inode& inode, std::uint32_t i) const;  // i < inode.extent_count

  // Writes an index into an empty file that says the same of the same layer, and has other checkpoints. Not synced.
  Result<void> write_with(std::span<const Checkpoint> table, FdRef out) const;

  // The table reads this index in place and keeps it alive.
  static CheckpointTablePtr checkpoints(std::shared_ptr<const LayerIndex> index);

 private:
  friend class IndexCheckpoints;
  LayerIndex(std::unique_ptr<const IndexFile> file, const Digest& blob);
  Result<lix::Dirent> dirent(std::uint32_t number, std::uint32_t dir) const;
  Result<std::string_view> string(std::uint64_t at, std::uint64_t bytes) const;

  std::unique_ptr<const IndexFile> file_;
  IndexFacts facts_;
};

}  // namespace acetate
