// LinkIndex: what is written in the work directory so that the names of a lower hard link stay one file (index=on).
//
// A copy of a file that has several names below is made at one more name, in "acetate.index/" of the work directory, and
// the names in the upper are links to it. Whoever meets one of the lower's names later, at the next mount too, is led there by
// the number of the lower's file. docs/link-index.md tells the format, and what is refused and what is cleaned at a mount.
//
// Here is only what is known and what is on disk; the rules are in overlay_links.cc.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>

#include "base/fd.h"
#include "base/mutex.h"
#include "base/result.h"
#include "fs/work_dir.h"
#include "layers/layer.h"

namespace acetate::fs {

class LinkIndex {
 public:
  // Reads what earlier mounts left, and removes of it what `lower` does not have any more. `owner` is the upper's root,
  // `xattr_prefix` not empty. EINVAL with words where it belongs to another upper directory or
  // holds what we did not make; an origin that cannot be looked at is answered as that error, with words.
  // `work` outlives it.
  static Result<std::unique_ptr<LinkIndex>> open(WorkDir& work, FdRef owner, const Layer& lower, std::string xattr_prefix);

  FdRef dir() const noexcept { return dir_.ref(); }
  // Where the copy of the lower's file of that number is.
  static std::string entry_name(std::uint64_t origin);

  // Of a file of the lower that was copied up: the copy's number in the upper's file system.
  std::optional<std::uint64_t> copy_of(std::uint64_t origin) const;
  // Of an object of the upper: the number of the lower's file it is the copy of.
  std::optional<std::uint64_t> origin_of(std::uint64_t upper_ino) const;
  // How many links more than the object itself (the copy, or until there is one the lower's file) a stat is to show: the
  // entry of the index is none, names that only the lower has are.
  std::int64_t more_of_copy(std::uint64_t upper_ino) const;
  std::int64_t more_of_lower(std::uint64_t origin) const;

  // --- What changes is said by one thread at a time for each origin.

  // A name of a lower file without a copy is gone. `path`: the way to it in the lower. That it cannot be written down is an
  // error, but what is shown until the unmount is right all the same.
  Result<void> lose_name(std::uint64_t origin, const Attr& below, const std::string& path);
  // The way to the lower's file that the last call told.
  std::optional<std::string> path_of(std::uint64_t origin) const;

  // Before a copy is linked into the index: what it is the copy of.
  Result<void> describe_copy(FdRef copy, std::uint64_t origin, const Attr& below, const std::string& path);
  // It is there, under entry_name(), and has no other name yet.
  void add_copy(std::uint64_t origin, std::uint64_t upper_ino, std::uint32_t lower_links);

  // What is about to be done keeps the number of links shown, whatever number the copy has (a name of the lower gets its
  // link), or the difference between the two (a name is made, removed or moved). Written down before, so that a crash at
  // any moment leaves a number that is right.
  Result<void> keep_shown(std::uint64_t origin, FdRef copy);
  Result<void> keep_difference(std::uint64_t origin, FdRef copy);
  // A name of the lower has its link.
  void linked(std::uint64_t origin);
  // No name is left.
  void forget(std::uint64_t origin);

 private:
  struct Entry {
    std::uint64_t upper_ino = 0;  // 0: there is no copy; some names are gone
    std::uint32_t lower_links = 0;
    std::int64_t more = 0;        // as more_of_copy(), or without a copy more_of_lower()
    std::string path = {};        // without a copy
  };
  using Entries = std::unordered_map<std::uint64_t, Entry>;

  LinkIndex(WorkDir& work, Fd dir, std::string prefix)
      : work_(work), dir_(std::move(dir)), prefix_(std::move(prefix)) {}
  Result<void> belong_to(FdRef owner);
  Result<void> read(const Layer& lower);
  Result<void> read_entry(const Layer& lower, const std::string& name);
  Result<void> read_copy(const Layer& lower, const std::string& name, std::uint64_t origin);
  Result<void> read_lost_names(const Layer& lower, const std::string& name, std::uint64_t origin);
  Result<void> write_links(FdRef copy, char basis, std::int64_t difference);
  std::string origin_mark() const { return prefix_ + "acetate.origin"; }
  std::string links_mark() const { return prefix_ + "acetate.links"; }

  WorkDir& work_;
  const Fd dir_;
  const std::string prefix_;
  mutable Mutex mutex_;  // a leaf
  Entries entries_ GUARDED_BY(mutex_);
  std::unordered_map<std::uint64_t, std::uint64_t> origins_ GUARDED_BY(mutex_);  // upper's number -> lower's
};

}  // namespace acetate::fs
