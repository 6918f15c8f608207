#include "layers/image/expected_blobs.h"

#include <fcntl.h>

#include <algorithm>
#include <ctime>
#include <string>
#include <vector>

#include "base/sys/dir.h"
#include "base/sys/file.h"

namespace acetate::image {

namespace {

constexpr const char* kFolder = "/.acetate-expected";

std::time_t now() { return ::time(nullptr); }
std::time_t seconds(std::chrono::minutes minutes) { return std::chrono::duration_cast<std::chrono::seconds>(minutes).count(); }

// Nothing: there is no list yet.
Result<Fd> open_folder(const std::string& dir) {
  auto folder = sys::open(dir + kFolder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  if (!folder && folder.error().is(ENOENT)) return Fd();
  return TRY_WITHIN(std::move(folder), "opening {}{}", dir, kFolder);
}

// A time that lies further ahead than anybody may say is of a clock that was wrong.
bool is_expected(std::time_t until) { return until >= now() && until <= now() + seconds(kLongestExpected); }

}  // namespace

Result<void> expect_blob(const std::string& dir, const Digest& blob, std::chrono::minutes patience) {
  TRY_WITHIN(sys::make_dirs(dir + kFolder, 0755), "making {}{}", dir, kFolder);
  const Fd folder = TRY(open_folder(dir));
  const auto name = blob.hex();
  const Fd mark = TRY_WITHIN(sys::open({folder.ref(), name.c_str()}, O_RDONLY | O_CREAT | O_NOFOLLOW, 0644), "making {}{}/{}", dir, kFolder, name);
  std::time_t until = now() + seconds(std::min(patience, kLongestExpected));
  if (const auto before = TRY(sys::stat(mark.ref())).st_mtim.tv_sec; is_expected(before)) until = std::max(until, before);
  const struct timespec times[2] = {{.tv_sec = until, .tv_nsec = 0}, {.tv_sec = until, .tv_nsec = 0}};
  return TRY_WITHIN(sys::set_times(mark.ref(), times), "dating {}{}/{}", dir, kFolder, name);
}

Result<void> expect_no_longer(const std::string& dir, std::span<const Digest> blobs) {
  const Fd folder = TRY(open_folder(dir));
  if (!folder) return {};
  for (const auto& blob : blobs)
    if (auto gone = sys::unlink({folder.ref(), blob.hex().c_str()}); !gone && !gone.error().is(ENOENT))
      return std::move(gone).error().within("removing " + dir + kFolder + "/" + blob.hex());
  return {};
}

Result<std::set<Digest>> expected_blobs(const std::string& dir, bool sweep) {
  const Fd folder = TRY(open_folder(dir));
  if (!folder) return std::set<Digest>();
  std::vector<std::string> names;
  TRY_WITHIN(sys::read_dir(folder.ref(), [&](const sys::DirEntry& entry) {
    names.emplace_back(entry.name);
    return true;
  }), "reading {}{}", dir, kFolder);
  std::set<Digest> expected;
  for (const auto& name : names) {
    const auto digest = Digest::from_hex(name);
    if (!digest) continue;
    const auto st = sys::stat({folder.ref(), name.c_str()});
    if (!st && st.error().is(ENOENT)) continue;  // named just now
    if (!st) return st.error().clone().within("looking at " + dir + kFolder + "/" + name);
    if (is_expected(st->st_mtim.tv_sec))
      expected.insert(*digest);
    else if (sweep)
      (void)sys::unlink({folder.ref(), name.c_str()});  // it takes no room, and counts for nothing
  }
  return expected;
}

}  // namespace acetate::image
