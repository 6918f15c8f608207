// Scratch: a private directory for one run, that is gone afterwards, whatever happened to us.
//
// It is removed with the object. A process that was killed leaves its own behind; since each holds a lock as
// long as its owner lives, the next one can tell such leftovers and removes them.
#pragma once

#include <functional>
#include <string>

#include "base/fd.h"
#include "base/result.h"

namespace acetate::sandbox {

class Scratch {
 public:
  // A new directory, mode 0700, below `base` (made when absent). Sweeps `base` first: what it cannot remove
  // (another user's, files of ids that this user namespace does not hold) stays for somebody who can.
  // `before_removal` sees each leftover that is about to go.
  using BeforeRemoval = std::function<void(const std::string& path)>;
  static Result<Scratch> make(const std::string& base, const BeforeRemoval& before_removal = {});
  // What make() does first, for who wants none. Without such a `base` there is nothing to do.
  static void sweep(const std::string& base, const BeforeRemoval& before_removal);
  // For a moment only: below $TMPDIR, or /tmp where that takes none, where others' directories are too, so nothing is swept.
  static Result<Scratch> temporary();
  Scratch(Scratch&& other) noexcept;
  Scratch& operator=(Scratch&& other) noexcept;
  ~Scratch();

  const std::string& path() const noexcept { return path_; }
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }

 private:
  static Result<Scratch> make_in(const std::string& dir, const char* prefix);
  Scratch(std::string path, Fd lock) : path_(std::move(path)), lock_(std::move(lock)) {}
  std::string path_;  // empty: moved from
  Fd lock_;
};

}  // namespace acetate::sandbox
