// WorkDir: where objects are made complete before they appear, and taken to when they disappear.
//
// It is "work/" below the directory the user named, as with the kernel's overlay. Whatever a crash left in it
// is removed at mount, but for the mark of a mount that synced nothing (fs/volatile_mark.h); a lock on the user's directory keeps a second overlay
// out while we use it.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>

#include "base/fd.h"
#include "base/result.h"

namespace acetate::fs {

class WorkDir;

// A name in the work directory that vanishes, with whatever stands there, unless what stood there was moved
// away and release() says so.
class Temp {
 public:
  Temp(WorkDir& work, std::string name) : work_(&work), name_(std::move(name)) {}
  Temp(Temp&& other) noexcept : work_(std::exchange(other.work_, nullptr)), name_(std::move(other.name_)) {}
  Temp& operator=(Temp&&) = delete;
  ~Temp();
  FileAt at() const;
  void release() noexcept { work_ = nullptr; }

 private:
  WorkDir* work_;
  std::string name_;
};

class WorkDir {
 public:
  struct Syncing {
    bool durable = true;
    bool leaves_mark = false;  // that nothing was synced
  };
  // EBUSY with words while another overlay has it; EINVAL with words when a volatile mount used it, and the machine may have crashed since.
  static Result<WorkDir> open(Fd user_dir, const Syncing& syncing);
  WorkDir(WorkDir&& other) noexcept
      : lock_(std::move(other.lock_)), dir_(std::move(other.dir_)), next_(other.next_.load()) {}

  FdRef dir() const noexcept { return dir_.ref(); }
  // Lets another overlay in; nothing may be made in it afterwards.
  void unlock() noexcept { lock_.reset(); }
  // A name nothing stands at.
  Temp temp();
  // "acetate.index/" beside it, made if it is not there, open for reading. EINVAL with words where the kernel's overlay has an
  // index of its own.
  Result<Fd> index_dir();
  // A file without a name, open for reading and writing, mode 0600. EOPNOTSUPP where there is no O_TMPFILE.
  Result<Fd> nameless_file();

 private:
  WorkDir(Fd lock, Fd dir) : lock_(std::move(lock)), dir_(std::move(dir)) {}

  Fd lock_;
  Fd dir_;
  std::atomic<std::uint64_t> next_{0};
  std::atomic<bool> no_tmpfile_{false};
};

}  // namespace acetate::fs
