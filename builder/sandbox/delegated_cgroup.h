// DelegatedCgroup: limits for who is not root, in a cgroup of version 2 that was given to him to divide
// (Documentation/admin-guide/cgroup-v2.rst, "Delegation"), as systemd does for `systemd-run --user --scope -p Delegate=yes`.
//
// A cgroup that gives controllers to those below it may have no processes of its own, so two are made in the one we are in: one
// that we go to ourselves, and one with the limits, for the container. Both go with the object.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "builder/sandbox/scratch.h"
#include "builder/sandbox/spec.h"

namespace acetate::sandbox {

// One line of one file: {"memory", "memory.max", "1048576"}.
struct CgroupLimit {
  std::string controller, file, value;
  bool if_there = false;  // not every kernel has that file
  bool operator==(const CgroupLimit&) const = default;
};
std::vector<CgroupLimit> cgroup_limits(const Resources& resources);

// Not thread-safe.
class DelegatedCgroup {
 public:
  // Moves this process. Outside of the holder, before any other process is made: they are where we are. ENOTSUP with words and the
  // way out where no cgroup of version 2 is ours, where it lacks a controller, or where others are in it too.
  //
  // Before anything is divided, what is going to be is noted in a directory of its own below `notes`, for remove_abandoned_cgroups();
  // without `notes` a kill leaves a divided cgroup.
  static Result<DelegatedCgroup> make(const std::vector<CgroupLimit>& limits, const std::optional<std::string>& notes = {});
  DelegatedCgroup(DelegatedCgroup&&) noexcept = default;
  DelegatedCgroup& operator=(DelegatedCgroup&&) = delete;
  // Takes us back to where we were. What of it cannot be done is said on the log.
  ~DelegatedCgroup();

  // Where a process enters that is to be limited, with all that it starts.
  FdRef limited() const noexcept { return limited_.ref(); }

 private:
  DelegatedCgroup(std::string path, Fd ours, std::string name, std::set<std::string> given)
      : path_(std::move(path)), ours_(std::move(ours)), name_(std::move(name)), given_(std::move(given)) {}
  Result<void> divide(const std::vector<CgroupLimit>& limits);
  Result<void> enable(const std::vector<CgroupLimit>& limits);
  Result<void> note_below(const std::string& notes);
  static Result<void> put_together(const std::string& note);
  friend void remove_abandoned_cgroups(const std::string& notes);
  enum class Us { are_in_it, are_gone };
  Result<void> put_back(Us us);
  std::string own() const { return name_ + "-acetate"; }
  std::string container() const { return name_ + "-container"; }

  std::string path_;
  Fd ours_;  // the cgroup we were found in
  std::string name_;
  std::set<std::string> given_;  // the controllers it gave to those below before us
  std::optional<Scratch> note_;  // goes after all is put together again
  Fd limited_;
};

// Puts together again what those had divided who were killed, by what they noted below `notes`. What cannot be done, such as where a
// process of it still runs, is said on the log.
void remove_abandoned_cgroups(const std::string& notes);

// Its path below the root of the hierarchy, as a runtime is told it: "/user.slice/…".
Result<std::string> path_in_hierarchy(FdRef cgroup);

// How many processes the kernel has killed for want of memory in the cgroups beside one, it included: whoever looks afterwards may find that
// cgroup gone already, with the runtime.
class KillCount {
 public:
  // Where there is no such count it stays 0.
  static KillCount above(FdRef cgroup);
  std::uint64_t now() const { return read() - before_; }

 private:
  explicit KillCount(Fd events) : events_(std::move(events)), before_(read()) {}
  std::uint64_t read() const;
  Fd events_;
  std::uint64_t before_;
};

// The calling process goes there.
Result<void> enter_cgroup(FdRef cgroup);

}  // namespace acetate::sandbox
