#include "layers/tar/identity_cache.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <string_view>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/sys/cache_file.h"
#include "base/sys/dir.h"
#include "base/sys/file.h"

namespace acetate {

namespace {

constexpr std::string_view kMagic = "ACETIDN1", kMagic512 = "ACETIDN2";
constexpr std::int64_t kRestSeconds = 2;  // no file system in use has coarser times (FAT)

using Algorithm = Digest::Algorithm;

constexpr std::size_t record_bytes(Algorithm algorithm) { return 8 + 7 * 8 + Digest::size_of(algorithm) + 8; }
constexpr std::string_view magic_of(Algorithm algorithm) { return algorithm == Algorithm::sha512 ? kMagic512 : kMagic; }

std::string name_of(const FilePart& part) {
  return fmt::format("{:x}-{:x}-{:x}-{:x}", part.st.st_dev, part.st.st_ino, part.offset, part.length);
}

std::string record_name(const FilePart& part, Algorithm algorithm) {
  return name_of(part) + (algorithm == Algorithm::sha512 ? ".sha512" : "");
}

std::uint64_t bits(std::int64_t value) noexcept { return static_cast<std::uint64_t>(value); }

// What must be as it was for the digest to hold, then when it was recorded.
void put_times(ByteWriter& record, const struct stat& st) {
  record.put(bits(st.st_size));
  record.put(bits(st.st_mtim.tv_sec));
  record.put(bits(st.st_mtim.tv_nsec));
  record.put(bits(st.st_ctim.tv_sec));
  record.put(bits(st.st_ctim.tv_nsec));
}

bool at_rest(const struct stat& st, std::int64_t recorded) {
  return recorded - kRestSeconds > std::max(st.st_mtim.tv_sec, st.st_ctim.tv_sec);
}

timespec real_time() {
  timespec now;
  ::clock_gettime(CLOCK_REALTIME, &now);
  return now;
}

// A tarball rewritten in place leaves a record behind each time, and one that is gone does so for ever.
void prune(const std::string& path, FdRef dir, std::size_t most_records) {
  std::vector<std::pair<std::int64_t, std::string>> records;
  const auto listed = sys::open(path, O_RDONLY | O_DIRECTORY);
  if (!listed) return;
  (void)sys::read_dir(listed->ref(), [&](const sys::DirEntry& entry) {
    if (!entry.name.ends_with(".lock")) records.emplace_back(0, entry.name);
    return true;
  });
  if (records.size() <= most_records) return;
  for (auto& [written, name] : records)
    if (const auto st = sys::stat(FileAt{dir, name.c_str()})) written = st->st_mtim.tv_sec;
  const auto middle = records.begin() + static_cast<std::ptrdiff_t>(records.size() / 2);
  std::ranges::nth_element(records, middle);
  for (auto it = records.begin(); it != middle; ++it) (void)sys::unlink({dir, it->second.c_str()});
}

}  // namespace

IdentityCache::IdentityCache(const std::string& dir, Clock now, std::size_t most_records)
    : dir_(dir + "/identity"), now_(now ? std::move(now) : real_time), most_records_(most_records) {}

std::optional<IdentityCache::Known> IdentityCache::find(const FilePart& part, Algorithm algorithm) const {
  const std::string path = dir_ + "/" + record_name(part, algorithm);
  const auto file = sys::open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  if (!file) return std::nullopt;
  // A record is a claim about a file's content: only ours and root's count.
  const auto st = sys::stat(file->ref());
  if (!st || (st->st_uid != ::geteuid() && st->st_uid != 0) || (st->st_mode & (S_IWGRP | S_IWOTH)) != 0)
    return std::nullopt;
  const std::size_t bytes = record_bytes(algorithm);
  const auto content = sys::read_all(file->ref(), bytes);
  if (!content || content->size() != bytes) return std::nullopt;

  ByteWriter expected;
  expected.put(magic_of(algorithm));
  put_times(expected, part.st);
  const std::span<const std::byte> record = as_bytes(*content);
  if (as_text(record.first(expected.size())) != as_text(expected.bytes())) return std::nullopt;
  ByteReader rest(record.subspan(expected.size()));
  const auto recorded = rest.get<std::uint64_t>();
  (void)rest.get<std::uint64_t>();  // reserved
  const auto digest = rest.take(Digest::size_of(algorithm));
  const auto sum = rest.get<std::uint64_t>();
  if (!recorded || !digest || sum != xxh3(record.first(bytes - 8))) return std::nullopt;

  return Known{.digest = Digest(algorithm, *digest), .certain = at_rest(part.st, static_cast<std::int64_t>(*recorded))};
}

void IdentityCache::remember(const FilePart& part, const Digest& digest) const {
  ByteWriter record;
  record.put(magic_of(digest.algorithm()));
  put_times(record, part.st);
  record.put(bits(now_().tv_sec));
  record.put(std::uint64_t{0});
  record.put(digest.bytes());
  record.put(xxh3(record.bytes()));
  const auto write = [&]() -> Result<void> {
    TRY(sys::make_dirs(dir_, 0700));
    const Fd dir = TRY(sys::open(dir_, O_RDONLY | O_DIRECTORY));
    // It has a checksum.
    TRY(sys::write_cache_file({dir.ref(), record_name(part, digest.algorithm()).c_str()}, as_text(record.bytes()), 0600));
    prune(dir_, dir.ref(), most_records_);
    return {};
  };
  if (const auto written = write(); !written)
    log::debug("the digest of a layer is not remembered in {}: {}", dir_, written.error().message());
}

FileLock IdentityCache::lock(const FilePart& part) const {
  if (!sys::make_dirs(dir_, 0700)) return {};
  auto lock = FileLock::take(dir_ + "/" + name_of(part) + ".lock");
  return lock ? *std::move(lock) : FileLock();
}

}  // namespace acetate
