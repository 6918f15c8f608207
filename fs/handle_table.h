// HandleTable: what is open, by the number the kernel was given.
#pragma once

#include <array>
#include <atomic>
#include <functional>
#include <memory>
#include <unordered_map>
#include <variant>
#include <vector>

#include "base/fd.h"
#include "base/mutex.h"
#include "fs/dir_listing.h"
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

struct OpenDir {
  explicit OpenDir(InodeRef of) : inode(std::move(of)) {}

  const InodeRef inode;
  Mutex mutex;
  DirListing listing GUARDED_BY(mutex);
  bool listed GUARDED_BY(mutex) = false;
};

// Thread-safe. EBADF for a number that is not open, or is of the other kind.
class HandleTable {
 public:
  Handle add(std::shared_ptr<OpenFile> file) { return put(std::move(file)); }
  Handle add(std::shared_ptr<OpenDir> dir) { return put(std::move(dir)); }
  Result<std::shared_ptr<OpenFile>> file(Handle handle) { return get<OpenFile>(handle); }
  Result<std::shared_ptr<OpenDir>> dir(Handle handle) { return get<OpenDir>(handle); }
  // Every open file, and every open directory.
  void each_file(const std::function<void(OpenFile&)>& each) { each_open<OpenFile>(each); }
  void each_dir(const std::function<void(OpenDir&)>& each) { each_open<OpenDir>(each); }
  // What was open lives on until the last call that uses it returns.
  void remove(Handle handle) noexcept;
  void clear() noexcept;
  std::uint64_t size() const noexcept { return count_.load(std::memory_order_relaxed); }

 private:
  using Open = std::variant<std::shared_ptr<OpenFile>, std::shared_ptr<OpenDir>>;
  struct Shard {
    Mutex mutex;
    std::unordered_map<std::uint64_t, Open> open GUARDED_BY(mutex);
  };

  Shard& shard_of(std::uint64_t number) { return shards_[number % shards_.size()]; }
  Handle put(Open open);
  template <class T>
  Result<std::shared_ptr<T>> get(Handle handle) {
    const auto number = static_cast<std::uint64_t>(handle);
    Shard& shard = shard_of(number);
    Lock lock(shard.mutex);
    const auto found = shard.open.find(number);
    if (found == shard.open.end()) return Error(EBADF);
    const auto* open = std::get_if<std::shared_ptr<T>>(&found->second);
    if (open == nullptr) return Error(EBADF);
    return *open;
  }

  template <class T>
  void each_open(const std::function<void(T&)>& each) {
    for (Shard& shard : shards_) {
      std::vector<std::shared_ptr<T>> open;
      {
        Lock lock(shard.mutex);
        for (const auto& [number, one] : shard.open)
          if (const auto* of_kind = std::get_if<std::shared_ptr<T>>(&one)) open.push_back(*of_kind);
      }
      for (const auto& one : open) each(*one);
    }
  }

  std::array<Shard, 16> shards_;
  std::atomic<std::uint64_t> next_{1};
  std::atomic<std::uint64_t> count_{0};
};

}  // namespace acetate::fs
