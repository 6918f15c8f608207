// MirrorStore: the mirrors of all blobs in one directory, under one cap of bytes on disk.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include "layers/stream/mirror.h"

namespace acetate {

// A value; copies mean the same directory. Thread-safe.
class MirrorStore {
 public:
  static constexpr std::uint64_t kDefaultCapacity = std::uint64_t{2} << 30;

  // Nothing is made on disk until there is something to keep.
  MirrorStore(std::string dir, std::uint64_t capacity);

  // Null where none can be had, also because the disk is nearly full; a line in the log says why. A file that is none of ours to trust (of another
  // owner, or others may write it) or of other content is replaced.
  std::shared_ptr<Mirror> open(const Mirror::Of& of) const;

  // Takes away what was not used for longest, of all blobs, until nine tenths of the capacity are left, or of a
  // quarter of the room there is where that is less. What
  // somebody has pinned stays. One process does it at a time; the others go on.
  void trim() const;

 private:
  enum class Maker { us, others };  // of a file that is not there, or still empty
  Result<std::shared_ptr<Mirror>> open_file(const std::string& path, const Mirror::Of& of, Maker maker) const;

  std::string dir_;
  std::uint64_t capacity_;
  std::shared_ptr<std::atomic<std::uint64_t>> since_trim_;  // bytes stored
};

}  // namespace acetate
