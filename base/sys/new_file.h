// A file that is written piece by piece and appears whole or not at all, like write_file_atomically() for what does
// not fit in memory.
#pragma once

#include <string>

#include "base/fd.h"
#include "base/result.h"

namespace acetate::sys {

class NewFile {
 public:
  // Nothing is seen at `path` before commit(). Where the file system has O_TMPFILE nothing of it is seen at all;
  // elsewhere a ".NAME.PID.partial" stands beside it, which only kill -9 leaves behind. A device or pipe that stands at
  // `path` is not replaced: it is written to.
  static Result<NewFile> make(const std::string& path, mode_t mode);
  NewFile(NewFile&&) noexcept = default;
  NewFile& operator=(NewFile&&) = delete;
  ~NewFile();

  FdRef ref() const { return file_.ref(); }
  // Syncs, and replaces what stood at `path`, by one rename. Once.
  Result<void> commit();

 private:
  explicit NewFile(Fd device) : file_(std::move(device)) {}
  NewFile(Fd dir, Fd file, std::string name, std::string partial, bool has_name)
      : dir_(std::move(dir)),
        file_(std::move(file)),
        name_(std::move(name)),
        partial_(std::move(partial)),
        has_name_(has_name) {}
  Fd dir_ = {};  // none: written to directly
  Fd file_;
  std::string name_ = {};
  std::string partial_ = {};
  bool has_name_ = false;  // whether `partial_` is there
};

}  // namespace acetate::sys
