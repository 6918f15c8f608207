// File descriptors by type: Fd owns, FdRef borrows, FileAt names one entry of one directory.
// A signature tells who closes; a raw int exists for one line, between a system call and Fd(Adopt{}, …).
#pragma once

#include <unistd.h>

#include <utility>

namespace acetate {

// A file descriptor somebody else owns. Trivial to copy; pass it by value.
struct FdRef {
  int fd = -1;
  explicit operator bool() const noexcept { return fd >= 0; }
};

// What *at() calls take for "relative to the working directory".
inline constexpr FdRef kWorkingDir{-100};  // AT_FDCWD

// Adopting a raw int takes this tag, so that every place where a bare descriptor becomes ours can be found.
struct Adopt {};

// The owner of one file descriptor. close() errors are ignored here: whoever needs to know that data reached
// the disk calls fsync before.
class Fd {
 public:
  Fd() noexcept = default;
  Fd(Adopt, int fd) noexcept : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    Fd moved(std::move(other));
    std::swap(fd_, moved.fd_);
    return *this;
  }
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;
  ~Fd() {
    if (fd_ >= 0) ::close(fd_);
  }

  FdRef ref() const noexcept { return {fd_}; }
  explicit operator bool() const noexcept { return fd_ >= 0; }
  int release() noexcept { return std::exchange(fd_, -1); }
  void reset() noexcept { *this = Fd(); }

 private:
  int fd_ = -1;
};

// One name in one directory: what every *at() call takes. `name` is borrowed and NUL-terminated.
struct FileAt {
  FdRef dir;
  const char* name;
};

}  // namespace acetate
