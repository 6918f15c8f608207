#include "cli/named_volume.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cctype>

#include "base/sys/dir.h"
#include "base/sys/file.h"
#include "base/sys/open.h"
#include "builder/export_tree.h"
#include "builder/sandbox/in_root.h"
#include "layers/dir_layer.h"
#include "layers/tar/file_lock.h"

namespace acetate::cli {

namespace {

Result<bool> is_empty(const std::string& path) {
  const Fd dir = TRY(sys::open(path, O_RDONLY | O_DIRECTORY));
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

Result<void> copy(FdRef from, const std::string& into, bool owners) {
  const struct stat st = TRY(sys::stat(from));
  TRY(build::write_tree_dir(TRY(open_dir_layer(TRY(sys::dup(from)))), {.kind = build::TimeRule::Kind::keep}, into, owners));
  const Fd made = TRY(sys::open(into, O_RDONLY | O_DIRECTORY));
  if (owners) TRY(sys::chown(made.ref(), st.st_uid, st.st_gid));
  TRY(sys::chmod(made.ref(), st.st_mode & 07777));
  // It has a name only when it is on the disk: a half of it would never be filled again.
  return sys::syncfs(made.ref());
}

Result<void> fill(const NamedVolume& volume, const std::string& rootfs, bool owners) {
  if (!TRY(is_empty(volume.dir))) return {};
  const Fd from = TRY(open_in_root(rootfs, volume.target));
  if (!from) return {};
  const FileLock lock = TRY(FileLock::take(beside(volume, ".lock")));
  const std::string filling = beside(volume, ".filling");
  const FileAt at{kWorkingDir, filling.c_str()};
  // Of somebody who was ended in the midst of it.
  TRY(sys::remove_tree(at));
  auto filled = copy(from.ref(), filling, owners);
  if (filled) filled = sys::rename(at, FileAt{kWorkingDir, volume.dir.c_str()});
  if (filled) return {};
  if (auto gone = sys::remove_tree(at); !gone) filled = std::move(gone).error().within("removing " + filling);
  // Another container was quicker.
  if (!filled && (filled.error().is(ENOTEMPTY) || filled.error().is(EEXIST))) return {};
  return filled;
}

}  // namespace

bool is_volume_name(std::string_view name) {
  const auto is_letter = [](char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0; };
  return !name.empty() && is_letter(name.front()) &&
         std::ranges::all_of(name, [&](char c) { return is_letter(c) || c == '_' || c == '.' || c == '-'; });
}

Result<void> fill_volume(const NamedVolume& volume, const std::string& rootfs, bool owners) {
  if (!volume.copies) return {};
  TRY_WITHIN(fill(volume, rootfs, owners), "filling the volume {} with what the image has at {}", volume.dir, volume.target);
  return {};
}

}  // namespace acetate::cli
