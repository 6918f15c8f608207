// A lock between processes: flock(2) on a file that is there only while somebody holds or awaits it.
#pragma once

#include <string>

#include "base/fd.h"
#include "base/result.h"

namespace acetate {

class FileLock {
 public:
  // Waits for it. Errors of a file system that has no locks, or where we may not write, are the caller's to judge.
  static Result<FileLock> take(std::string path);
  FileLock() = default;
  FileLock(FileLock&&) noexcept = default;
  FileLock& operator=(FileLock&& other) noexcept {
    std::swap(path_, other.path_);
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~FileLock();

 private:
  FileLock(std::string path, Fd fd) : path_(std::move(path)), fd_(std::move(fd)) {}
  std::string path_;
  Fd fd_;
};

}  // namespace acetate
