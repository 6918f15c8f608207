#include "cli/volume_store.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <algorithm>

#include "base/sys/dir.h"
#include "base/sys/file.h"
#include "base/sys/open.h"
#include "cli/named_volume.h"

namespace acetate::cli {

namespace {

// Its directory, locked against everybody. EBUSY where somebody has it; where there are no locks nobody is known to.
Result<Fd> lock(FdRef all, const std::string& name) {
  Fd dir = TRY(sys::open(FileAt{all, name.c_str()}, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
  if (auto locked = sys::flock(dir.ref(), LOCK_EX | LOCK_NB); !locked && locked.error().is(EAGAIN)) return Error(EBUSY);
  return dir;
}

Error none(const std::string& name) { return fail(ENOENT, "there is no volume {} (`acetate volume ls` lists them)", name); }

std::string leftover(const std::string& name) { return "." + name + ".removing"; }

StoredVolume describe(FdRef all, const std::string& volumes, const std::string& name) {
  StoredVolume volume{.name = name, .dir = volumes + "/" + name};
  if (const auto st = sys::statx(FileAt{all, name.c_str()}, AT_SYMLINK_NOFOLLOW, STATX_BTIME | STATX_MTIME)) volume.created = (st->stx_mask & STATX_BTIME) != 0 ? st->stx_btime.tv_sec : st->stx_mtime.tv_sec;
  const auto locked = lock(all, name);
  volume.in_use = !locked && locked.error().is(EBUSY);
  return volume;
}

}  // namespace

Result<std::vector<StoredVolume>> list_volumes(const std::string& volumes) {
  std::vector<StoredVolume> found;
  auto opened = sys::open(volumes, O_RDONLY | O_DIRECTORY);
  if (!opened && opened.error().is(ENOENT)) return found;
  const Fd all = TRY_WITHIN(std::move(opened), "opening {}", volumes);
  std::vector<std::string> names;
  TRY(sys::read_dir(all.ref(), [&](const sys::DirEntry& entry) {
    if (is_volume_name(entry.name)) names.emplace_back(entry.name);
    return true;
  }));
  std::ranges::sort(names);
  for (const std::string& name : names) {
    const auto st = sys::stat(FileAt{all.ref(), name.c_str()});
    if (st && S_ISDIR(st->st_mode)) found.push_back(describe(all.ref(), volumes, name));
  }
  return found;
}

Result<StoredVolume> find_volume(const std::string& volumes, const std::string& name) {
  if (!is_volume_name(name)) return none(name);
  const auto all = sys::open(volumes, O_RDONLY | O_DIRECTORY);
  if (!all) return none(name);
  const auto st = sys::stat(FileAt{all->ref(), name.c_str()});
  if (!st || !S_ISDIR(st->st_mode)) return none(name);
  return describe(all->ref(), volumes, name);
}

Result<void> remove_volume(const std::string& volumes, const std::string& name) {
  if (!is_volume_name(name)) return none(name);
  const auto opened = sys::open(volumes, O_RDONLY | O_DIRECTORY);
  if (!opened) return opened.error().is(ENOENT) ? none(name) : opened.error().clone();
  const FdRef all = opened->ref();
  const std::string going = leftover(name);
  const bool interrupted = sys::stat(FileAt{all, going.c_str()}).has_value();
  if (interrupted) TRY_WITHIN(sys::remove_tree(FileAt{all, going.c_str()}), "removing what is left of the volume {}", name);
  const auto held = lock(all, name);
  if (!held && held.error().is(ENOENT)) return interrupted ? Result<void>() : Result<void>(none(name));
  if (!held && held.error().is(EBUSY)) return fail(EBUSY, "the volume {} is in use by a container that runs", name);
  if (!held) return held.error().clone().within("opening the volume " + name);
  TRY_WITHIN(sys::rename(FileAt{all, name.c_str()}, FileAt{all, going.c_str()}), "removing the volume {}", name);
  TRY_WITHIN(sys::remove_tree(FileAt{all, going.c_str()}), "removing the volume {}", name);
  for (const char* what : {".lock", ".filling"}) {
    const std::string beside = "." + name + what;
    if (auto gone = sys::remove_tree(FileAt{all, beside.c_str()}); !gone && !gone.error().is(ENOENT)) return std::move(gone).error().within("removing " + beside);
  }
  return {};
}

}  // namespace acetate::cli
