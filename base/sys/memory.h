// Mappings of files, and files that live in memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

#include "base/fd.h"
#include "base/result.h"

namespace acetate::sys {

namespace detail {
struct GuardedRange;
}

// Owns a read-only, shared mapping of a file. Where its bytes cannot be had any more (the disk fails, somebody
// made the file shorter) the kernel says SIGBUS; a handler of ours then shows zeroes there, and failed() says so
// from then on. Whoever reads bytes looks at failed() before believing them.
class Mapping {
 public:
  Mapping() = default;
  Mapping(Adopt, void* at, std::size_t size, detail::GuardedRange* guard) noexcept
      : at_(at), size_(size), guard_(guard) {}
  Mapping(Mapping&& other) noexcept
      : at_(std::exchange(other.at_, nullptr)),
        size_(std::exchange(other.size_, 0)),
        guard_(std::exchange(other.guard_, nullptr)) {}
  Mapping& operator=(Mapping&& other) noexcept {
    Mapping moved(std::move(other));
    std::swap(at_, moved.at_);
    std::swap(size_, moved.size_);
    std::swap(guard_, moved.guard_);
    return *this;
  }
  ~Mapping();

  std::span<const std::byte> bytes() const noexcept { return {static_cast<const std::byte*>(at_), size_}; }
  bool failed() const noexcept;

 private:
  void* at_ = nullptr;
  std::size_t size_ = 0;
  detail::GuardedRange* guard_ = nullptr;
};

// `size` bytes (at least one) of a file, from a multiple of page_size() on.
Result<Mapping> map_file(FdRef fd, std::size_t size, std::uint64_t offset = 0);
std::size_t page_size() noexcept;

// An unnamed file in memory that seal() can make unchangeable. `name` shows in /proc only.
Result<Fd> memory_file(const char* name);
// No byte and not the size of a memory_file() changes any more.
Result<void> seal(FdRef fd);

}  // namespace acetate::sys
