// Reading a directory by getdents64(2): names, types and inode numbers, no copies.
#pragma once

#include <cstdint>
#include <functional>
#include <string_view>

#include "base/fd.h"
#include "base/result.h"

namespace acetate::sys {

struct DirEntry {
  std::string_view name;  // NUL-terminated in memory; valid during the callback only
  unsigned char type;     // DT_*; DT_UNKNOWN where the file system does not say
  std::uint64_t ino;
};

// Calls `each` for every entry but "." and "..", from the beginning whatever was read before, until it
// returns false. `dir` must be open for reading (not O_PATH). Two threads must not share one descriptor.
Result<void> read_dir(FdRef dir, const std::function<bool(const DirEntry&)>& each);
// The same of a descriptor that was opened for it and not yet read from, which needs no seek.
Result<void> read_fresh_dir(FdRef dir, const std::function<bool(const DirEntry&)>& each);

}  // namespace acetate::sys
