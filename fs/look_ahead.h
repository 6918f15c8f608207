// LookAhead: which directories are likely to be read next by who has just begun with one.
//
// Who reads a directory and then one in it reads the others as well: find, tar, rm -r, git, a package manager. While such a walker is busy with
// what he was given, another thread can find out what he will ask for. To be wrong must cost little: of a directory's subdirectories only the
// first two are guessed, until one of them is read; then those after it, a few ahead of the reader and no more.
#pragma once

#include <list>
#include <memory>
#include <unordered_map>
#include <vector>

#include "base/mutex.h"
#include "fs/types.h"

namespace acetate::fs {

// Thread-safe. Its mutex is a leaf.
class LookAhead {
 public:
  // `dir` begins to be read, and has these directories in it, in the order they are listed. What to look at now, most likely first; each
  // is told once.
  std::vector<Ino> next(Ino dir, std::vector<Ino> subdirs);
  void clear() noexcept;

  static constexpr std::size_t kAtFirst = 2, kAhead = 8;

 private:
  static constexpr std::size_t kPlans = 32;
  struct Plan {
    std::vector<Ino> dirs;
    std::size_t told = 0;
  };
  using PlanPtr = std::shared_ptr<Plan>;
  struct Place {
    PlanPtr plan;
    std::size_t at;
  };
  static void tell(Plan& plan, std::size_t up_to, std::vector<Ino>& out);
  void remember_locked(const PlanPtr& plan) REQUIRES(mutex_);

  Mutex mutex_;
  std::list<PlanPtr> plans_ GUARDED_BY(mutex_);  // the newest first
  std::unordered_map<Ino, Place> places_ GUARDED_BY(mutex_);
};

}  // namespace acetate::fs
