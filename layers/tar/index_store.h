// Where layer indexes are kept: DIR/sha256/<aa>/<hex>.lix (or DIR/sha512/…) by the digest of the blob as it lies on disk.
//
// Each appears whole, by one link or rename; readers never lock. Any of them may be removed at any time.
//
// Besides its own directory a store may look into others of the same form, which are only read: an administrator's, or one that
// many machines mount. Their indexes decide which tree is shown, so only those count that we or root own and nobody else may write.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/digest.h"
#include "base/result.h"
#include "layers/tar/file_lock.h"
#include "layers/tar/index_writer.h"
#include "layers/tar/layer_index.h"

namespace acetate {

using LayerIndexPtr = std::shared_ptr<const LayerIndex>;

// As it would be on disk, without being there.
Result<LayerIndexPtr> index_in_memory(const IndexImage& image);

// An index that is only read, and its file.
struct SharedIndex {
  Fd file;
  LayerIndexPtr index;
};

class IndexStore {
 public:
  // Nothing is made on disk until there is something to keep.
  explicit IndexStore(std::string dir, std::vector<std::string> shared = {}) : dir_(std::move(dir)), shared_(std::move(shared)) {}

  // Our own first, then the shared ones in their order. Null: there is none, or none that can be used (a log line then says so). A shared one
  // in which damage is found while it is read is not used again.
  LayerIndexPtr find(const Digest& blob, lix::IndexKind kind = lix::IndexKind::layer) const;

  // Publishes a copy of a shared index in our own directory, where there is none, all of it verified: for a process that is going to be in
  // a user namespace, where root's files have no owner that could be believed. Nothing is done where no shared one counts.
  Result<void> adopt(const Digest& blob) const;

  // Held by whoever makes the index of a blob, so that two processes make one. Where locks or the directory
  // cannot be had it holds nothing, and both make it.
  FileLock lock(const Digest& blob) const;

  // Publishes an index and opens it. Where it cannot be written (full or read-only disk) nothing is left behind,
  // and the index lives in memory for as long as it is open.
  Result<LayerIndexPtr> keep(const IndexImage& image) const;

  // Publishes what `write` puts into an empty file, or leaves nothing behind.
  using Write = std::function<Result<void>(FdRef)>;
  Result<void> publish(const Digest& name, const Write& write) const;

  const std::string& dir() const noexcept { return dir_; }
  std::string path_of(const Digest& blob) const;
  // Where it is kept what mounts read of the blob (stream/read_trace.h): beside the index.
  std::string trace_of(const Digest& blob) const;

 private:
  std::string folder_of(const Digest& blob) const;
  std::string note_of(const Digest& blob) const;
  std::optional<SharedIndex> open_shared(const Digest& blob, lix::IndexKind kind) const;
  LayerIndexPtr find_shared(const Digest& blob, lix::IndexKind kind) const;

  std::string dir_;
  std::vector<std::string> shared_;
};

}  // namespace acetate
