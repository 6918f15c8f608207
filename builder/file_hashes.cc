#include "builder/file_hashes.h"

#include <fcntl.h>

#include <algorithm>
#include <limits>
#include <memory>
#include <vector>

#include "base/bytes.h"
#include "base/sys/cache_file.h"
#include "base/sys/dir.h"
#include "base/sys/file.h"
#include "base/sys/local_fs.h"
#include "base/timespec.h"

namespace acetate::build {

namespace {

// Then records of seven numbers of 64 bits and 32 bytes, then the SHA-256 of all before.
constexpr std::string_view kMagic = "acetate hashes 1";
constexpr std::size_t kDigest = Digest::kHeadBytes;
constexpr std::size_t kRecord = 7 * 8 + kDigest;
constexpr std::size_t kMostBytes = std::size_t{1} << 30;
// Of a context that was not built from for so long nothing is kept.
constexpr std::int64_t kKeptSeconds = 30LL * 24 * 60 * 60;

// Best effort: what stays takes room, and nothing else.
void forget_old(const std::string& dir) {
  const auto open = sys::open(dir, O_RDONLY | O_DIRECTORY);
  if (!open) return;
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  std::vector<std::string> old;
  const auto listed = sys::read_dir(open->ref(), [&](const sys::DirEntry& entry) {
    const std::string name(entry.name);
    if (const auto stat = sys::stat(FileAt{open->ref(), name.c_str()}); stat && S_ISREG(stat->st_mode) && stat->st_mtim.tv_sec < now.tv_sec - kKeptSeconds) old.push_back(name);
    return true;
  });
  if (!listed) return;
  for (const std::string& name : old) static_cast<void>(sys::unlink(FileAt{open->ref(), name.c_str()}).has_value());
}

}  // namespace

std::shared_ptr<FileHashes> FileHashes::load(const std::string& build_dir, FdRef dir, const std::string& path) {
  const std::string place = build_dir + "/hashes";
  const auto stat = sys::stat(dir);
  const auto is_local = sys::is_on_local_fs(dir);
  const auto device = stat && is_local && *is_local ? std::optional<std::uint64_t>(stat->st_dev) : std::nullopt;
  auto hashes = std::make_shared<FileHashes>(place + "/" + Digest::of(path).hex(), device);
  if (!device) return hashes;
  const auto text = sys::read_file(hashes->file_, kMostBytes);
  const Lock lock(hashes->mutex_);
  if (text) hashes->read(*text);
  return hashes;
}

void FileHashes::read(std::string_view text) {
  if (!text.starts_with(kMagic) || text.size() < kMagic.size() + kDigest || (text.size() - kMagic.size() - kDigest) % kRecord != 0) return;
  const std::string_view body = text.substr(0, text.size() - kDigest);
  if (as_text(Digest::of(body).bytes()) != text.substr(body.size())) return;
  ByteReader reader(as_bytes(body.substr(kMagic.size())));
  while (reader.left() != 0) {
    std::uint64_t numbers[7] = {};
    for (std::uint64_t& number : numbers) number = *reader.get<std::uint64_t>();
    const auto time = [](std::uint64_t seconds, std::uint64_t fraction) {
      return timespec{.tv_sec = static_cast<std::int64_t>(seconds), .tv_nsec = static_cast<std::int64_t>(fraction)};
    };
    known_.insert_or_assign(Key(numbers[0], numbers[1]), Known{.size = numbers[2],
                                                               .mtime = time(numbers[3], numbers[4]),
                                                               .ctime = time(numbers[5], numbers[6]),
                                                               .digest = Digest(Digest::Algorithm::sha256, *reader.take(kDigest))});
  }
}

std::optional<Digest> FileHashes::find(const struct stat& stat) {
  if (stat.st_dev != device_) return std::nullopt;
  const Lock lock(mutex_);
  const auto found = known_.find(Key(stat.st_dev, stat.st_ino));
  if (found == known_.end()) return std::nullopt;
  Known& known = found->second;
  if (known.size != static_cast<std::uint64_t>(stat.st_size) || !same_time(known.mtime, stat.st_mtim) || !same_time(known.ctime, stat.st_ctim)) return std::nullopt;
  known.used = true;
  return known.digest;
}

void FileHashes::learn(const struct stat& stat, timespec read_at, const Digest& digest) {
  if (stat.st_dev != device_ || is_doubtful(stat.st_mtim, read_at) || is_doubtful(stat.st_ctim, read_at)) return;
  const Lock lock(mutex_);
  known_.insert_or_assign(Key(stat.st_dev, stat.st_ino),
                          Known{.size = static_cast<std::uint64_t>(stat.st_size), .mtime = stat.st_mtim, .ctime = stat.st_ctim, .digest = digest, .used = true});
  is_new_ = true;
}

Result<void> FileHashes::save() {
  const Lock lock(mutex_);
  if (!device_) return {};
  if (!is_new_) {
    // It was used: its time says so. Best effort, as forgetting it is.
    static_cast<void>(::utimensat(AT_FDCWD, file_.c_str(), nullptr, 0));
    return {};
  }
  // Another target uses other files; ten times as many as this one is enough of them.
  const auto used = static_cast<std::size_t>(std::ranges::count_if(known_, [](const auto& item) { return item.second.used; }));
  const bool all = known_.size() <= std::max<std::size_t>(10 * used, 10'000);
  ByteWriter out;
  out.put(kMagic);
  for (const auto& [key, known] : known_) {
    if (!all && !known.used) continue;
    for (const std::uint64_t number : {key.first, key.second, known.size, static_cast<std::uint64_t>(known.mtime.tv_sec), static_cast<std::uint64_t>(known.mtime.tv_nsec),
                                       static_cast<std::uint64_t>(known.ctime.tv_sec), static_cast<std::uint64_t>(known.ctime.tv_nsec)})
      out.put(number);
    out.put(known.digest.bytes());
  }
  const Digest sum = Digest::of(out.bytes());
  out.put(sum.bytes());
  const std::string dir = file_.substr(0, file_.rfind('/'));
  TRY_WITHIN(sys::make_dirs(dir, 0700), "making {}", dir);
  forget_old(dir);
  TRY_WITHIN(sys::write_cache_file({kWorkingDir, file_.c_str()}, as_text(out.bytes()), 0600), "writing {}", file_);
  is_new_ = false;
  return {};
}

}  // namespace acetate::build
