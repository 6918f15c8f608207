#include "fs/work_dir.h"

#include <sys/file.h>

#include "base/log.h"
#include "base/sys/dir.h"
#include "base/sys/file.h"
#include "base/sys/xattr.h"
#include "fs/volatile_mark.h"

namespace acetate::fs {

namespace {

constexpr const char* kWork = "work";
constexpr const char* kIndex = "acetate.index";

// Of the directories that objects are made in before they are moved to their places. What they would inherit from the work directory, a default ACL
// or its group, would become the copies' own; the kernel's ovl_workdir_create() takes it away too.
Result<Fd> open_without_inheritance(FileAt at, int flags) {
  Fd dir = TRY(sys::open(at, flags | O_DIRECTORY | O_NOFOLLOW));
  auto removed = sys::remove_xattr(dir.ref(), "system.posix_acl_default");
  if (!removed && !removed.error().is(ENODATA) && !removed.error().is(ENOTSUP)) return std::move(removed).error();
  TRY(sys::chmod(dir.ref(), 0700));  // set-gid
  return dir;
}

// The kernel's index names files by handles of its own, and counts their links in its own way: nobody else can go on with it.
Result<void> refuse_the_kernels_index(FdRef lock) {
  auto theirs = sys::open(FileAt{lock, "index"}, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  if (!theirs) return theirs.error().is(ENOENT) || theirs.error().is(ENOTDIR) ? Result<void>() : std::move(theirs).error();
  bool empty = true;
  TRY(sys::read_dir(theirs->ref(), [&](const sys::DirEntry&) { return empty = false; }));
  if (empty) return {};
  return fail(EINVAL,
              "work directory: the kernel's overlay keeps an index of hard links in it, which only the kernel can go on with; "
              "mount without index=on, or with another workdir");
}

}  // namespace

Temp::~Temp() {
  if (work_ == nullptr) return;
  auto removed = sys::remove_tree(at());
  if (!removed) removed = sys::remove_tree(at());
  // Not lost: the next mount empties the work directory.
  if (!removed) log::info("left {} in the work directory: {}", name_, removed.error().message());
}

FileAt Temp::at() const { return {work_->dir(), name_.c_str()}; }

Result<WorkDir> WorkDir::open(Fd user_dir, const Syncing& syncing) {
  // flock(2) needs more than O_PATH.
  Fd lock = TRY_WITHIN(sys::open(FileAt{user_dir.ref(), "."}, O_RDONLY | O_DIRECTORY), "opening the work directory");
  auto locked = sys::flock(lock.ref(), LOCK_EX | LOCK_NB);
  if (!locked) {
    if (locked.error().is(EWOULDBLOCK))
      return fail(EBUSY, "work directory: another overlay is using it; unmount that one, or name another workdir");
    return std::move(locked).error().within("locking the work directory");
  }
  // What was not synced is, before its mark goes.
  if (TRY(is_unsynced(lock.ref())) && syncing.durable) TRY_WITHIN(sys::syncfs(lock.ref()), "syncing what a volatile mount wrote");
  const FileAt at{lock.ref(), kWork};
  TRY_WITHIN(sys::remove_tree(at), "emptying work/ in the work directory");
  TRY_WITHIN(sys::mkdir(at, 0700), "making work/ in the work directory");
  Fd dir = TRY_WITHIN(open_without_inheritance(at, O_PATH), "opening work/ in the work directory");
  if (syncing.leaves_mark) TRY(put_volatile_mark(lock.ref()));
  return WorkDir(std::move(lock), std::move(dir));
}

Temp WorkDir::temp() { return {*this, fmt::format("t{:x}", next_.fetch_add(1, std::memory_order_relaxed))}; }

Result<Fd> WorkDir::index_dir() {
  TRY(refuse_the_kernels_index(lock_.ref()));
  const FileAt at{lock_.ref(), kIndex};
  auto made = sys::mkdir(at, 0700);
  if (!made && !made.error().is(EEXIST)) return std::move(made).error().within("making acetate.index/ in the work directory");
  return TRY_WITHIN(open_without_inheritance(at, O_RDONLY), "opening acetate.index/ in the work directory");
}

Result<Fd> WorkDir::nameless_file() {
  if (no_tmpfile_.load(std::memory_order_relaxed)) return Error(EOPNOTSUPP);
  auto file = sys::open(FileAt{dir(), "."}, O_TMPFILE | O_RDWR, 0600);
  if (file) return file;
  // Old kernels and some file systems see O_DIRECTORY only, or a flag they do not know.
  const int code = file.error().code();
  if (code != EOPNOTSUPP && code != EISDIR && code != EINVAL && code != ENOENT) return file;
  no_tmpfile_.store(true, std::memory_order_relaxed);
  return Error(EOPNOTSUPP);
}

}  // namespace acetate::fs
