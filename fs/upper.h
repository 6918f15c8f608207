// Upper: the one directory that is written, and how it is written.
//
// Everything that says "this name is gone" or "this directory starts afresh" goes through here, so that the two
// dialects (device 0:0, ".wh.NAME") and the file systems that lack a rename flag differ in this file only. All
// of it works on one name in one directory that the caller holds a descriptor of: nothing can lead out of the
// tree. What replaces or removes is atomic where the file system can be; where not, the order is such that a
// crash never shows what was deleted nor loses what was kept.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/mutex.h"
#include "base/result.h"
#include "base/sys/file.h"
#include "fs/overlay.h"
#include "fs/permissions.h"
#include "fs/work_dir.h"
#include "layers/whiteout.h"

namespace acetate::fs {

// The answers of a file system (or of a kernel that guards device 0:0) to a rename flag it does not have.
inline bool means_no_such_flag(const Error& error) {
  return error.is(EINVAL) || error.is(ENOSYS) || error.is(EOPNOTSUPP) || error.is(EPERM);
}

class Upper {
 public:
  // Probes the dialect. EXDEV, EBUSY, EINVAL with words.
  static Result<std::unique_ptr<Upper>> open(Fd upper, Fd work, const OverlayOptions& options);

  FdRef root() const noexcept { return root_.ref(); }  // O_RDONLY
  dev_t device() const noexcept { return device_; }
  const Permissions& permissions() const noexcept { return permissions_; }
  bool root_is_described() const noexcept { return root_is_described_; }
  WorkDir& work() noexcept { return work_; }
  bool durable() const noexcept { return durable_; }
  bool file_dialect() const noexcept { return !dialect_.device_whiteout; }
  // Of the marks that are written: "" when the file system has no xattrs for us, or none are wanted; else mark_prefix().
  const std::string& xattr_prefix() const noexcept { return dialect_.xattr_prefix; }
  // Of the marks that are believed: "{trusted,user}.overlay.", or "" where there are none. Marks of the other kind are not: on an upper of root's
  // anybody inside may set a "user." attribute, and would read by a redirect what he may not.
  const std::string& mark_prefix() const noexcept { return mark_prefix_; }

  // Device dialect: nothing stands at `at`, and a whiteout does afterwards. File dialect: one stands beside it,
  // and hides the lower once the name itself is gone.
  Result<void> put_whiteout(FileAt at);
  // Of the device that most whiteouts of late are names of; 0: there is none.
  std::uint64_t whiteout_ino() const noexcept { return whiteout_ino_.load(std::memory_order_relaxed); }
  Result<void> put_opaque(FdRef dir);

  // Where the file system cannot exchange two names, the next of these may leave a ".wh.NAME" when they fail, in either dialect: for a name whose
  // object is gone, and whose whiteout could not be put.

  // Takes away what stands at `at`; a directory goes with the whiteouts in it. With `whiteout`, one stands there
  // (or beside it, in the file dialect) the moment it is gone.
  Result<void> remove(FileAt at, bool is_dir, bool whiteout);

  // Publishes what was made at `temp` where nothing, or only a whiteout, stands.
  Result<void> publish_new(Temp& temp, FileAt at);                          // EEXIST when something does
  Result<void> publish_over_whiteout(Temp& temp, FileAt at, bool is_dir);   // the whiteout stands at `at` itself

  // Renames what stands at `from` to `to`, where nothing or a non-directory of the upper stands, which is
  // replaced (a whiteout too, unless a directory is moved). With `whiteout`, one stands at `from` afterwards.
  Result<void> rename(FileAt from, FileAt to, bool to_occupied, bool whiteout);
  Result<void> exchange(FileAt a, FileAt b);

  // A directory onto one in which there is nothing, at once; ENOTEMPTY where there is. With `whiteout`, one stands at `from` afterwards.
  Result<void> rename_onto_empty_dir(FileAt from, FileAt to, bool whiteout);
  // Takes the whiteouts out of a directory that has nothing else in it, after it was made opaque: the lower's names that they hid. After an
  // error they hide them again.
  Result<std::vector<std::string>> clear_whiteouts(FdRef dir);
  Result<void> hide(FdRef dir, const std::vector<std::string>& names);

  // ".wh.NAME" beside a name that has come back. What cannot be removed does no harm: the name itself wins.
  void remove_file_whiteout(FileAt at) noexcept;

  // Takes away what stands at `to`, a whiteout or a directory empty but for whiteouts, and renames a directory there: for
  // file systems that cannot exchange. With `whiteout`, one stands at `from` afterwards.
  Result<void> rename_dir_onto(FileAt from, FileAt to, bool to_is_dir, bool whiteout);

 private:
  class Cover;
  Result<void> put_file_whiteout(FileAt at);
  // One with an inode of its own.
  Result<void> put_fresh_whiteout(FileAt at);
  // True when it is one more name of a device that there is.
  Result<bool> link_whiteout(FileAt at);
  // The next ones are names of this.
  Result<void> share_whiteout(FileAt at);
  Upper(Fd root, dev_t device, WorkDir work, WriteDialect dialect, bool durable)
      : root_(std::move(root)), device_(device), work_(std::move(work)), dialect_(std::move(dialect)), durable_(durable) {}
  Result<void> rename_leaving_device(FileAt from, FileAt to, bool to_occupied);
  Result<void> exchange_leaving_device(FileAt from, FileAt to, bool to_occupied);
  Result<void> put_in_two_steps(Temp& temp, FileAt at);  // for what stands at `at`, where nothing swaps the two
  Result<void> swap_for_whiteout(FileAt at);

  Fd root_;
  dev_t device_;
  WorkDir work_;
  WriteDialect dialect_;
  std::string mark_prefix_;
  bool durable_;
  Permissions permissions_;
  bool root_is_described_ = false;
  std::atomic<bool> no_rename_whiteout_{false};
  Mutex whiteout_mutex_;  // a leaf
  // O_PATH, so that nobody gets its number while it is known by it.
  std::shared_ptr<const Fd> whiteout_ GUARDED_BY(whiteout_mutex_);
  std::atomic<std::uint64_t> whiteout_ino_{0};
  std::atomic<bool> no_whiteout_links_{false};
};

// ".wh.NAME"; nothing where that is too long to be a name.
std::string whiteout_file_name(std::string_view name);

// What statx(2) says, as the layers say it: directories count one link.
Attr attr_of(const struct statx& st) noexcept;
bool is_device_whiteout(const struct statx& st) noexcept;
inline constexpr unsigned kStatMask = STATX_BASIC_STATS | STATX_BTIME;
inline Result<struct statx> stat_of(FileAt at) {
  return sys::statx(at, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW, kStatMask);
}

}  // namespace acetate::fs
