// What files of a build context were hashed to, by all that changes when a file does, so that a build need not read again what it
// read last time.
//
//   DIR/hashes/<sha256 of the context's path>   the files of one context: a cache, which is made again when it is damaged or gone
//
// As git does with its index: a file is believed to be what it was when device, inode, size, and the times of its last change and of
// its inode's are; one that was changed so shortly before it was read that another change could carry the same times is not noted. Not
// on file systems that other machines write to, whose clocks nobody knows here, nor of what is mounted somewhere in the context.
#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <ctime>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/digest.h"
#include "base/fd.h"
#include "base/mutex.h"
#include "base/result.h"

namespace acetate::build {

// Thread-safe.
class FileHashes {
 public:
  // What is known of the context at `dir`. `build_dir`: DIR. What cannot be read is not known.
  static std::shared_ptr<FileHashes> load(const std::string& build_dir, FdRef dir, const std::string& path);
  FileHashes(std::string file, std::optional<std::uint64_t> device) : file_(std::move(file)), device_(device) {}

  // What the file was hashed to, when it still is the same.
  std::optional<Digest> find(const struct stat& stat);
  // `stat`: before it was read, with the same descriptor; `read_at`: when that began.
  void learn(const struct stat& stat, timespec read_at, const Digest& digest);
  // Writes what is new. What was neither asked for nor learned stays for a while.
  Result<void> save();

 private:
  struct Known {
    std::uint64_t size = 0;
    timespec mtime = {}, ctime = {};
    Digest digest;
    bool used = false;
  };
  using Key = std::pair<std::uint64_t, std::uint64_t>;  // device, inode
  void read(std::string_view text) REQUIRES(mutex_);

  const std::string file_;
  const std::optional<std::uint64_t> device_;  // the context's own: of what is mounted below it nothing is kept; none: of nothing
  Mutex mutex_;
  std::map<Key, Known> known_ GUARDED_BY(mutex_);
  bool is_new_ GUARDED_BY(mutex_) = false;
};

}  // namespace acetate::build
