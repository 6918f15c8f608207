// Mappings of files, and files that live in memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

#include "base/fd.h"
#include "base/result.h"

namespace acetate::sys {

// Owns a read-only, shared mapping of a file. The file must not be made shorter while it is mapped: reading
// past its end then is SIGBUS.
class Mapping {
 public:
  Mapping() = default;
  Mapping(Adopt, void* at, std::size_t size) noexcept : at_(at), size_(size) {}
  Mapping(Mapping&& other) noexcept : at_(std::exchange(other.at_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  Mapping& operator=(Mapping&& other) noexcept {
    Mapping moved(std::move(other));
    std::swap(at_, moved.at_);
    std::swap(size_, moved.size_);
    return *this;
  }
  ~Mapping();

  std::span<const std::byte> bytes() const noexcept { return {static_cast<const std::byte*>(at_), size_}; }

 private:
  void* at_ = nullptr;
  std::size_t size_ = 0;
};

// The first `size` bytes (at least one) of a file.
Result<Mapping> map_file(FdRef fd, std::size_t size);

// An unnamed file in memory that seal() can make unchangeable. `name` shows in /proc only.
Result<Fd> memory_file(const char* name);
// No byte and not the size of a memory_file() changes any more.
Result<void> seal(FdRef fd);

}  // namespace acetate::sys
