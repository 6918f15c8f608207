// MemoryFs: a file system in memory, mounted as long as the object is there. Inside the holder.
#pragma once

#include <string>
#include <utility>

#include "base/result.h"

namespace acetate::sandbox {

class MemoryFs {
 public:
  // At `dir`, which is there and belongs to us; its root has the mode 0755.
  static Result<MemoryFs> mount(const std::string& dir);
  MemoryFs(MemoryFs&& other) noexcept : dir_(std::exchange(other.dir_, {})) {}
  MemoryFs& operator=(MemoryFs&& other) noexcept {
    MemoryFs moved(std::move(other));
    std::swap(dir_, moved.dir_);
    return *this;
  }
  ~MemoryFs();  // detaches it: what still uses it may go on

 private:
  explicit MemoryFs(std::string dir) : dir_(std::move(dir)) {}
  std::string dir_;  // empty: not mounted any more
};

}  // namespace acetate::sandbox
