// HandleTable: what is open, by the number the kernel was given.
#pragma once

#include <array>
#include <atomic>
#include <functional>
#include <memory>
#include <unordered_map>

#include "base/fd.h"
#include "base/mutex.h"
#include "fs/inode.h"
#include "fs/types.h"
#include "layers/layer.h"

namespace acetate::fs {

// An open file. Reads go to `lower` until the inode is copied up, and to `upper` for ever after.
struct OpenFile {
  OpenFile(InodeRef of, int how) : inode(std::move(of)), flags(how) {}

  const InodeRef inode;
  const int flags;
  LayerPtr layer;  // that `lower` is a view of
  std::unique_ptr<FileView> lower;
  std::atomic<bool> upper_ready{false};  // `upper` is set and stays
  Mutex mutex;                           // held to set it
  Fd upper;
};

// Thread-safe. EBADF for a number that is not open.
class HandleTable {
 public:
  Handle add(std::shared_ptr<OpenFile> file);
  Result<std::shared_ptr<OpenFile>> file(Handle handle);
  // Every open file.
  void each_file(const std::function<void(OpenFile&)>& each);
  // What was open lives on until the last call that uses it returns.
  void remove(Handle handle) noexcept;
  void clear() noexcept;
  std::uint64_t size() const noexcept { return count_.load(std::memory_order_relaxed); }

 private:
  struct Shard {
    Mutex mutex;
    std::unordered_map<std::uint64_t, std::shared_ptr<OpenFile>> open GUARDED_BY(mutex);
  };

  Shard& shard_of(std::uint64_t number) { return shards_[number % shards_.size()]; }

  std::array<Shard, 16> shards_;
  std::atomic<std::uint64_t> next_{1};
  std::atomic<std::uint64_t> count_{0};
};

}  // namespace acetate::fs
