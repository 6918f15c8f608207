#include "fs/volatile_mark.h"

#include <fcntl.h>

#include <algorithm>
#include <string>
#include <vector>

#include "base/sys/dir.h"
#include "base/sys/file.h"

namespace acetate::fs {

namespace {

constexpr const char* kFeatures = "work/incompat";
constexpr const char* kVolatile = "work/incompat/volatile";
constexpr const char* kDirty = "work/incompat/volatile/dirty";
constexpr std::size_t kMost = 64;

Result<std::string> this_boot() { return TRY_WITHIN(sys::read_file("/proc/sys/kernel/random/boot_id", kMost), "reading the boot id"); }

bool is_absence(const Error& error) { return error.is(ENOENT) || error.is(ENOTDIR) || error.is(ELOOP); }

// Nothing where there is no such file.
Result<std::string> read_dirty(FdRef work_dir) {
  auto file = sys::open(FileAt{work_dir, kDirty}, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  if (!file) return is_absence(file.error()) ? Result<std::string>(std::string()) : std::move(file).error();
  return sys::read_all(file->ref(), kMost);
}

}  // namespace

Result<bool> is_unsynced(FdRef work_dir) {
  auto marks = sys::open(FileAt{work_dir, kFeatures}, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  if (!marks) return is_absence(marks.error()) ? Result<bool>(false) : std::move(marks).error();
  std::vector<std::string> features;
  TRY(sys::read_dir(marks->ref(), [&](const sys::DirEntry& entry) {
    features.emplace_back(entry.name);
    return true;
  }));
  const auto strange = std::find_if(features.begin(), features.end(), [](const std::string& name) { return name != "volatile"; });
  if (features.empty()) return false;
  if (strange == features.end() && TRY(read_dirty(work_dir)) == TRY(this_boot())) return true;
  return fail(EINVAL,
              "work directory: an earlier mount left work/incompat/{0}, so the upper directory may be incomplete; "
              "check it, then remove work/incompat/{0}",
              strange == features.end() ? "volatile" : *strange);
}

Result<void> put_volatile_mark(FdRef work_dir) {
  const std::string boot = TRY(this_boot());
  for (const char* made : {kFeatures, kVolatile}) TRY_WITHIN(sys::mkdir(FileAt{work_dir, made}, 0700), "making {} in the work directory", made);
  const Fd dirty = TRY_WITHIN(sys::open(FileAt{work_dir, kDirty}, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600), "making {} in the work directory", kDirty);
  return sys::write_full(dirty.ref(), boot);
}

}  // namespace acetate::fs
