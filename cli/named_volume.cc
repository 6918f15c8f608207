#include "cli/named_volume.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <iterator>

#include "base/log.h"
#include "base/sys/dir.h"
#include "base/sys/file.h"
#include "base/sys/open.h"
#include "builder/export_tree.h"
#include "builder/sandbox/in_root.h"
#include "layers/dir_layer.h"
#include "layers/tar/file_lock.h"

namespace acetate::cli {

namespace {

Result<bool> is_empty(FdRef directory) {
  const Fd dir = TRY(sys::open(FileAt{directory, "."}, O_RDONLY | O_DIRECTORY));
  bool empty = true;
  TRY(sys::read_dir(dir.ref(), [&](const sys::DirEntry&) { return empty = false; }));
  return empty;
}

// Null where there is no directory.
Result<Fd> open_in_root(const std::string& rootfs, const std::string& target) {
  const Fd root = TRY(sys::open(rootfs, O_PATH | O_DIRECTORY));
  const auto place = TRY(sandbox::resolve_in_root(root.ref(), target));
  if (place.missing != 0) return Fd();
  auto dir = sys::open_beneath(root.ref(), place.path, O_RDONLY | O_DIRECTORY);
  if (!dir && dir.error().is(ENOTDIR)) return Fd();
  return dir;
}

// A name that no volume can have, beside it.
std::string beside(const NamedVolume& volume, std::string_view what) {
  const auto name = volume.dir.rfind('/') + 1;
  return volume.dir.substr(0, name) + "." + volume.dir.substr(name) + std::string(what);
}

// The directory itself is as the image has it: who a database runs as must be able to write there.
Result<void> dress(FdRef dir, const struct stat& like, bool owners) {
  if (owners) TRY(sys::chown(dir, like.st_uid, like.st_gid));
  return sys::chmod(dir, like.st_mode & 07777);
}

Result<void> copy(FdRef from, const struct stat& like, const std::string& into, bool owners) {
  TRY(build::write_tree_dir(TRY(open_dir_layer(TRY(sys::dup(from)))), {.kind = build::TimeRule::Kind::keep}, into, owners));
  const Fd made = TRY(sys::open(into, O_RDONLY | O_DIRECTORY));
  TRY(dress(made.ref(), like, owners));
  // It has a name only when it is on the disk: a half of it would never be filled again.
  return sys::syncfs(made.ref());
}

// With the lock held, and nobody in the empty volume, which is open as `dir`.
Result<void> fill(const NamedVolume& volume, FdRef dir, FdRef from, bool owners) {
  const struct stat like = TRY(sys::stat(from));
  if (TRY(is_empty(from))) return dress(dir, like, owners);
  const std::string filling = beside(volume, ".filling");
  const FileAt at{kWorkingDir, filling.c_str()};
  // Of somebody who was ended in the midst of it.
  TRY(sys::remove_tree(at));
  auto filled = copy(from, like, filling, owners);
  if (filled) filled = sys::rename(at, FileAt{kWorkingDir, volume.dir.c_str()});
  if (!filled)
    if (auto gone = sys::remove_tree(at); !gone) return std::move(gone).error().within("removing " + filling);
  return filled;
}

// What is mounted there, or who it belongs to, is the person's business: then it begins as it is.
bool is_no_reason_to_stop(const Error& error) {
  constexpr int kCodes[] = {EBUSY, ENOTDIR, ELOOP, EXDEV, EROFS, EACCES, EPERM, ENOLCK};
  return std::ranges::find(kCodes, error.code()) != std::end(kCodes);
}

Result<void> fill_if_unused(const NamedVolume& volume, FdRef from, bool owners) {
  const Fd dir = TRY(sys::open(volume.dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
  // Looked at again: whoever had the lock before us may have filled it.
  if (!TRY(is_empty(dir.ref()))) return {};
  // Somebody is in it, and would be left behind in a directory without a name.
  if (!sys::flock(dir.ref(), LOCK_EX | LOCK_NB)) return {};
  return fill(volume, dir.ref(), from, owners);
}

Result<Fd> open_to_use(const NamedVolume& volume) {
  Fd dir = TRY(sys::open(volume.dir, O_RDONLY | O_DIRECTORY));
  // Where there are no locks it is used all the same.
  (void)sys::flock(dir.ref(), LOCK_SH);
  // Whoever had it before us may have filled it, or removed it: that is another directory then.
  const struct stat ours = TRY(sys::stat(dir.ref()));
  const auto named = sys::stat_following(volume.dir);
  if (!named && named.error().is(ENOENT)) TRY(make_volume(volume));
  if (!named || named->st_ino != ours.st_ino || named->st_dev != ours.st_dev) return open_to_use(volume);
  return dir;
}

Result<Fd> enter(const NamedVolume& volume, const std::string& rootfs, bool owners) {
  if (!volume.copies || !TRY(is_empty(TRY(sys::open(volume.dir, O_RDONLY | O_DIRECTORY)).ref()))) return open_to_use(volume);
  const Fd from = TRY(open_in_root(rootfs, volume.target));
  if (!from) return open_to_use(volume);
  const auto lock = FileLock::take(beside(volume, ".lock"));
  const auto filled = lock ? fill_if_unused(volume, from.ref(), owners) : Result<void>(lock.error().clone());
  if (!filled && !is_no_reason_to_stop(filled.error())) return filled.error().clone();
  if (!filled) log::warn("the volume {} begins without what the image has at {}: {}", volume.dir, volume.target, filled.error().message());
  return open_to_use(volume);
}

}  // namespace

bool is_volume_name(std::string_view name) {
  const auto is_letter = [](char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0; };
  return !name.empty() && is_letter(name.front()) &&
         std::ranges::all_of(name, [&](char c) { return is_letter(c) || c == '_' || c == '.' || c == '-'; });
}

Result<void> make_volume(const NamedVolume& volume) {
  constexpr mode_t kOthers = 077;
  const std::string all = volume.dir.substr(0, volume.dir.rfind('/'));
  TRY_WITHIN(sys::make_dirs(all, 0700), "making {}", all);
  const Fd dir = TRY_WITHIN(sys::open(all, O_PATH | O_DIRECTORY), "opening {}", all);
  if (const struct stat st = TRY(sys::stat(dir.ref())); (st.st_mode & kOthers) != 0)
    TRY_WITHIN(sys::chmod(dir.ref(), st.st_mode & 07777 & ~kOthers), "closing {} to others", all);
  TRY_WITHIN(sys::make_dirs(volume.dir, 0755), "making the volume {}", volume.dir);
  return {};
}

Result<Fd> enter_volume(const NamedVolume& volume, const std::string& rootfs, bool owners) {
  return TRY_WITHIN(enter(volume, rootfs, owners), "filling the volume {} with what the image has at {}", volume.dir, volume.target);
}

}  // namespace acetate::cli
