#include "fs/upper.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/sysmacros.h>

#include <algorithm>

#include "base/log.h"
#include "base/scope.h"
#include "base/sys/dir.h"
#include "base/sys/same_file.h"
#include "base/sys/xattr.h"

namespace acetate::fs {

namespace {

// True when `inner` is `outer` or lies below it. What cannot be walked is not proven, and no reason to refuse.
bool lies_within(FdRef inner, const struct stat& outer) {
  auto at = sys::open(FileAt{inner, "."}, O_PATH | O_DIRECTORY);
  std::optional<struct stat> before;
  while (at) {
    auto st = sys::stat(at->ref());
    if (!st) return false;
    if (sys::is_same_file(*st, outer)) return true;
    if (before && sys::is_same_file(*before, *st)) return false;  // "/"
    before = *st;
    at = sys::open(FileAt{at->ref(), ".."}, O_PATH | O_DIRECTORY);
  }
  return false;
}

}  // namespace

std::string whiteout_file_name(std::string_view name) {
  if (name.size() + kWhiteoutPrefix.size() > 255) return {};
  return std::string(kWhiteoutPrefix).append(name);
}

bool is_device_whiteout(const struct statx& st) noexcept {
  return acetate::is_device_whiteout(st.stx_mode, makedev(st.stx_rdev_major, st.stx_rdev_minor));
}

Attr attr_of(const struct statx& st) noexcept {
  const auto time = [](const statx_timestamp& at) { return timespec{at.tv_sec, static_cast<long>(at.tv_nsec)}; };
  Attr attr{.mode = st.stx_mode,
            .uid = st.stx_uid,
            .gid = st.stx_gid,
            .nlink = S_ISDIR(st.stx_mode) ? 1 : st.stx_nlink,
            .size = st.stx_size,
            .blocks = st.stx_blocks,
            .rdev = makedev(st.stx_rdev_major, st.stx_rdev_minor),
            .ino = st.stx_ino,
            .atime = time(st.stx_atime),
            .mtime = time(st.stx_mtime),
            .ctime = time(st.stx_ctime),
            .btime = {}};
  if ((st.stx_mask & STATX_BTIME) != 0) attr.btime = time(st.stx_btime);
  return attr;
}

Result<std::unique_ptr<Upper>> Upper::open(Fd upper, Fd work, const OverlayOptions& options) {
  // syncfs(2) and reading need more than O_PATH.
  Fd root = TRY_WITHIN(sys::open(FileAt{upper.ref(), "."}, O_RDONLY | O_DIRECTORY), "opening the upper directory");
  const struct stat root_stat = TRY_WITHIN(sys::stat(root.ref()), "upper directory");
  const struct stat work_stat = TRY_WITHIN(sys::stat(work.ref()), "work directory");
  if (root_stat.st_dev != work_stat.st_dev)
    return fail(EXDEV, "the upper and the work directory must lie on one file system");
  if (lies_within(work.ref(), root_stat) || lies_within(root.ref(), work_stat))
    return fail(EINVAL, "the upper and the work directory must not lie one in the other");
  WorkDir work_dir = TRY(WorkDir::open(std::move(work), {.durable = options.durable, .leaves_mark = options.leaves_mark}));
  WriteDialect dialect =
      TRY_WITHIN(probe_write_dialect(work_dir.dir()), "finding out how the upper directory can be written");
  if (options.force_file_whiteouts) dialect.device_whiteout = false;
  const std::vector<std::string> on_root = TRY_WITHIN(sys::list_xattrs(root.ref()), "upper directory");
  if (is_begun_without_privilege(on_root)) dialect.xattr_prefix = "user.overlay.";
  const std::string mark_prefix = dialect.xattr_prefix;
  if (!options.xattrs) dialect.xattr_prefix.clear();
  const OverrideMode kept = override_mode_of(on_root);
  std::unique_ptr<Upper> opened(
      new Upper(std::move(root), root_stat.st_dev, std::move(work_dir), std::move(dialect), options.durable));
  opened->mark_prefix_ = mark_prefix;
  opened->root_is_described_ = kept != OverrideMode::none;
  const bool is_free = kept == OverrideMode::none || kept == OverrideMode::user;
  opened->permissions_ = options.note_owners && is_free ? Permissions::noting_owners() : Permissions(opened->root_is_described_ ? kept : options.permissions);
  return opened;
}

// Where a file system cannot exchange two names at once there is a moment in which nothing stands at one of them, and a
// crash then must not bring the lower's back: a ".wh." file beside it hides the lower for so long. It stays where what it
// covered for could not be put back.
class Upper::Cover {
 public:
  static Result<Cover> over(Upper& upper, FileAt at) {
    TRY(upper.put_file_whiteout(at));
    return Cover(upper, at);
  }
  Cover(Cover&& other) noexcept : upper_(std::exchange(other.upper_, nullptr)), at_(other.at_) {}
  Cover& operator=(Cover&&) = delete;
  ~Cover() {
    if (upper_ != nullptr) upper_->remove_file_whiteout(at_);
  }
  void keep() noexcept { upper_ = nullptr; }

 private:
  Cover(Upper& upper, FileAt at) noexcept : upper_(&upper), at_(at) {}
  Upper* upper_;
  FileAt at_;
};

Result<void> Upper::put_whiteout(FileAt at) {
  if (file_dialect()) return put_file_whiteout(at);
  if (TRY(link_whiteout(at))) return {};
  TRY(put_fresh_whiteout(at));
  // Without it the next one costs an inode and a stat more.
  if (auto shared = share_whiteout(at); !shared) log::debug("whiteouts are not shared: {}", shared.error().message());
  return {};
}

Result<void> Upper::put_fresh_whiteout(FileAt at) {
  return file_dialect() ? put_file_whiteout(at) : acetate::put_whiteout(at, dialect_);
}

// As ovl_whiteout() has it: one inode for many names. Whoever lists a directory knows them by its number.
Result<bool> Upper::link_whiteout(FileAt at) {
  std::shared_ptr<const Fd> whiteout;
  {
    Lock lock(whiteout_mutex_);
    whiteout = whiteout_;
  }
  if (!whiteout) return false;
  auto linked = sys::link(whiteout->ref(), at);
  if (linked) return true;
  // None of its names is left, or it has as many as it can; or the file system, or a guard, lets no device have two.
  const int code = linked.error().code();
  if (code == EPERM || code == EOPNOTSUPP) no_whiteout_links_.store(true, std::memory_order_relaxed);
  else if (code != ENOENT && code != EMLINK) return std::move(linked).error();
  return false;
}

Result<void> Upper::share_whiteout(FileAt at) {
  if (no_whiteout_links_.load(std::memory_order_relaxed)) return {};
  auto whiteout = std::make_shared<const Fd>(TRY(sys::open(at, O_PATH | O_NOFOLLOW)));
  const struct statx st = TRY(stat_of(FileAt{whiteout->ref(), ""}));
  Lock lock(whiteout_mutex_);
  whiteout_.swap(whiteout);  // the one before is closed after the mutex is let go
  whiteout_ino_.store(st.stx_ino, std::memory_order_relaxed);
  return {};
}

Result<void> Upper::put_file_whiteout(FileAt at) {
  const std::string beside = whiteout_file_name(at.name);
  if (beside.empty()) return Error(ENAMETOOLONG);
  auto made = sys::open(FileAt{at.dir, beside.c_str()}, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
  // It may have been left beside a name that came back.
  if (!made && !made.error().is(EEXIST)) return std::move(made).error();
  return {};
}

Result<void> Upper::put_opaque(FdRef dir) { return acetate::put_opaque(dir, dialect_); }

Result<void> Upper::remove(FileAt at, bool is_dir, bool whiteout) {
  if (whiteout && !file_dialect()) return swap_for_whiteout(at);
  // The name beats the whiteout beside it, so that both stand there for a moment changes nothing.
  if (whiteout) TRY(put_whiteout(at));
  Undo undo([&] {
    if (whiteout) remove_file_whiteout(at);
  });
  if (!is_dir) {
    TRY(sys::unlink(at));
    undo.release();
    return {};
  }
  auto removed = whiteout ? Result<void>(Error(ENOTEMPTY)) : sys::rmdir(at);
  if (!removed && (removed.error().is(ENOTEMPTY) || removed.error().is(EEXIST))) {
    // Empty to users, but with whiteouts in it: out of sight at once, then emptied.
    Temp gone = work_.temp();
    removed = sys::rename(at, gone.at());
    if (!removed) gone.release();
  }
  TRY(std::move(removed));
  undo.release();
  return {};
}

// Between the two a cover shows nothing of what lies below.
Result<void> Upper::put_in_two_steps(Temp& temp, FileAt at) {
  Cover cover = TRY(Cover::over(*this, at));
  Temp gone = work_.temp();
  TRY(sys::rename(at, gone.at()));
  auto placed = sys::rename(temp.at(), at);
  if (!placed) {
    if (sys::rename(gone.at(), at))
      gone.release();
    else
      cover.keep();
    return placed;
  }
  temp.release();
  return {};
}

// Device dialect: what stood at `at` is in the work directory afterwards, and goes with the temporary.
Result<void> Upper::swap_for_whiteout(FileAt at) {
  Temp temp = work_.temp();
  TRY(put_whiteout(temp.at()));
  auto swapped = sys::rename(temp.at(), at, RENAME_EXCHANGE);
  if (swapped) return {};
  if (!means_no_such_flag(swapped.error())) return swapped;
  swapped = sys::rename(temp.at(), at);
  if (swapped) {
    temp.release();
    return {};
  }
  if (!swapped.error().is(EISDIR) && !swapped.error().is(ENOTDIR)) return swapped;
  // No way to swap a directory for a device at once here.
  return put_in_two_steps(temp, at);
}

Result<void> Upper::publish_new(Temp& temp, FileAt at) {
  auto moved = sys::rename(temp.at(), at, RENAME_NOREPLACE);
  // The caller holds the directory's names, so nothing can have come in between.
  if (!moved && means_no_such_flag(moved.error())) moved = sys::rename(temp.at(), at);
  TRY(std::move(moved));
  temp.release();
  return {};
}

Result<void> Upper::publish_over_whiteout(Temp& temp, FileAt at, bool is_dir) {
  if (!is_dir) {
    TRY(sys::rename(temp.at(), at));
    temp.release();
    return {};
  }
  auto swapped = sys::rename(temp.at(), at, RENAME_EXCHANGE);
  if (swapped || !means_no_such_flag(swapped.error())) return swapped;  // the whiteout goes with the temporary
  return put_in_two_steps(temp, at);
}

Result<void> Upper::rename_dir_onto(FileAt from, FileAt to, bool to_is_dir, bool whiteout) {
  Cover cover = TRY(Cover::over(*this, to));
  TRY(remove(to, to_is_dir, false));
  auto moved = rename(from, to, false, whiteout);
  if (!moved) cover.keep();
  return moved;
}

Result<void> Upper::rename_onto_empty_dir(FileAt from, FileAt to, bool whiteout) {
  if (whiteout && !file_dialect()) return sys::rename(from, to, RENAME_WHITEOUT);
  return rename(from, to, false, whiteout);
}

Result<std::vector<std::string>> Upper::clear_whiteouts(FdRef dir) {
  TRY(put_opaque(dir));
  const Fd listing = TRY(sys::reopen(dir, O_RDONLY | O_DIRECTORY));
  std::vector<std::string> names, hidden;
  TRY(sys::read_dir(listing.ref(), [&](const sys::DirEntry& entry) {
    names.emplace_back(entry.name);
    return true;
  }));
  for (const std::string& name : names) {
    if (auto gone = sys::unlink(FileAt{dir, name.c_str()}); !gone) {
      TRY(hide(dir, hidden));
      return std::move(gone).error();
    }
    const DecodedName decoded = decode_name(name);
    if (decoded.kind == DecodedName::Kind::whiteout)
      hidden.emplace_back(decoded.hides);
    else if (decoded.kind == DecodedName::Kind::ordinary)
      hidden.push_back(name);
  }
  return hidden;
}

Result<void> Upper::hide(FdRef dir, const std::vector<std::string>& names) {
  for (const std::string& name : names) TRY(put_whiteout(FileAt{dir, name.c_str()}));
  return {};
}

Result<void> Upper::exchange(FileAt a, FileAt b) { return sys::rename(a, b, RENAME_EXCHANGE); }

Result<void> Upper::rename(FileAt from, FileAt to, bool to_occupied, bool whiteout) {
  if (!whiteout) return sys::rename(from, to);
  if (!file_dialect()) return rename_leaving_device(from, to, to_occupied);
  TRY(put_file_whiteout(from));
  auto moved = sys::rename(from, to);
  if (!moved) remove_file_whiteout(from);
  return moved;
}

Result<void> Upper::rename_leaving_device(FileAt from, FileAt to, bool to_occupied) {
  if (!no_rename_whiteout_.load(std::memory_order_relaxed)) {
    auto moved = sys::rename(from, to, RENAME_WHITEOUT);
    if (moved || !means_no_such_flag(moved.error())) return moved;
    no_rename_whiteout_.store(true, std::memory_order_relaxed);
  }
  auto exchanged = exchange_leaving_device(from, to, to_occupied);
  if (exchanged || !means_no_such_flag(exchanged.error())) return exchanged;
  Cover cover = TRY(Cover::over(*this, from));
  TRY(sys::rename(from, to));
  auto placed = put_fresh_whiteout(from);
  if (!placed) cover.keep();
  return placed;
}

Result<void> Upper::exchange_leaving_device(FileAt from, FileAt to, bool to_occupied) {
  // With something at `to` the two can be swapped at once, and what came to `from` be replaced at once: the
  // old name never shows the lower, and the new one is never missing. An inode of its own: what is to be replaced may be a
  // whiteout, and a rename onto another name of the same inode does nothing.
  Temp temp = work_.temp();
  TRY(put_fresh_whiteout(temp.at()));
  if (!to_occupied) {
    TRY(sys::rename(temp.at(), to));
    temp.release();
    auto swapped = sys::rename(from, to, RENAME_EXCHANGE);
    if (!swapped) (void)sys::unlink(to);
    return swapped;
  }
  TRY(sys::rename(from, to, RENAME_EXCHANGE));
  auto placed = sys::rename(temp.at(), from);
  if (!placed) {
    TRY(sys::rename(from, to, RENAME_EXCHANGE));
    return placed;
  }
  temp.release();
  return {};
}

void Upper::remove_file_whiteout(FileAt at) noexcept {
  const std::string beside = whiteout_file_name(at.name);
  if (beside.empty()) return;
  auto removed = sys::unlink(FileAt{at.dir, beside.c_str()});
  if (!removed && !removed.error().is(ENOENT))
    log::info("left {} in the upper directory: {}", beside, removed.error().message());
}

}  // namespace acetate::fs
