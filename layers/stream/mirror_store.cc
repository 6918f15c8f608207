#include "layers/stream/mirror_store.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>
#include <vector>

#include "base/hash.h"
#include "base/log.h"
#include "base/sys/dir.h"
#include "base/sys/file.h"
#include "base/sys/range_lock.h"

namespace acetate {

namespace {

using mirror_format::Header;
using mirror_format::Record;

bool is_ours(const struct stat& st) {
  return S_ISREG(st.st_mode) && st.st_uid == ::geteuid() && (st.st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

std::string name_of(const Digest& blob) { return blob.hex() + ".mirror"; }

// A mirror as whoever takes spans away sees it: without its index, by what stands in the file.
struct Candidate {
  std::uint32_t used;
  std::size_t file;
  std::uint64_t record_at;
  Record record;
};

// The header lies behind the plain bytes, whose number only the header knows; so it is looked for from the end:
// behind it there are records and checksums only.
std::optional<std::uint64_t> find_header(FdRef file, std::uint64_t size, Header& header) {
  const auto into = std::as_writable_bytes(std::span(&header, 1));
  for (std::uint64_t at = size / mirror_format::kAlignment * mirror_format::kAlignment;;
       at -= mirror_format::kAlignment) {
    const auto got = sys::pread_full(file, into, at);
    if (!got) return std::nullopt;
    if (*got == into.size() && std::memcmp(header.magic, mirror_format::kMagic, sizeof header.magic) == 0 &&
        header.sum == xxh3(into.first(offsetof(Header, sum))) && header.spans < size &&
        mirror_format::header_at(header.plain_bytes) == at &&
        mirror_format::file_bytes(header.plain_bytes, header.spans) == size)
      return at;
    // A record is 32 bytes and a span seldom under a megabyte, a checksum 8 for 64 KiB: the header is never far from the end.
    if (at == 0 || size - at > (std::uint64_t{64} << 20)) return std::nullopt;
  }
}

// False: it is none, or of another version.
bool collect(FdRef file, std::size_t number, std::uint64_t size, std::vector<Candidate>& into) {
  Header header{};
  if (!find_header(file, size, header)) return false;
  std::vector<Record> records(header.spans);
  const auto bytes = std::as_writable_bytes(std::span(records));
  const auto got = sys::pread_full(file, bytes, mirror_format::record_at(header.plain_bytes, 0));
  if (!got || *got != bytes.size()) return false;
  for (std::uint64_t i = 0; i < records.size(); ++i) {
    const Record& record = records[i];
    if (record.length == 0 || record.begin > header.plain_bytes || record.length > header.plain_bytes - record.begin)
      continue;
    into.push_back({record.used, number, mirror_format::record_at(header.plain_bytes, i), record});
  }
  return true;
}

// Nothing of it is shown before it is gone: the checksum first, then the bytes, and where they were only when they are gone.
Result<bool> take_away(FdRef file, const Candidate& span) {
  if (!sys::lock_range(file, F_WRLCK, span.record_at, sizeof(Record))) return false;  // pinned
  const auto taken = [&]() -> Result<void> {
    const Record hidden{.sum = 0, .begin = span.record.begin, .length = span.record.length, .used = span.record.used, .reserved = 0};
    TRY(sys::pwrite_full(file, std::as_bytes(std::span(&hidden, 1)), span.record_at));
    TRY(sys::fallocate(file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, span.record.begin, span.record.length));
    const Record none{};
    return sys::pwrite_full(file, std::as_bytes(std::span(&none, 1)), span.record_at);
  }();
  (void)sys::lock_range(file, F_UNLCK, span.record_at, sizeof(Record));
  if (!taken) return taken.error().clone();
  return true;
}

// A cache must not be what fills a disk: below this much room nothing is kept.
constexpr std::uint64_t kLeastRoom = std::uint64_t{256} << 20;

std::uint64_t room_at(FdRef dir) {
  const auto st = sys::statfs(dir);
  return st ? static_cast<std::uint64_t>(st->f_bavail) * static_cast<std::uint64_t>(st->f_bsize) : 0;
}

std::vector<std::string> names_in(const std::string& dir) {
  std::vector<std::string> names;
  const auto fd = sys::open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  if (!fd) return names;
  (void)sys::read_dir(fd->ref(), [&](const sys::DirEntry& entry) {
    names.emplace_back(entry.name);
    return true;
  });
  return names;
}

}  // namespace

MirrorStore::MirrorStore(std::string dir, std::uint64_t capacity)
    : dir_(std::move(dir)), capacity_(capacity), since_trim_(std::make_shared<std::atomic<std::uint64_t>>(0)) {}

Result<std::shared_ptr<Mirror>> MirrorStore::open_file(const std::string& path, const Mirror::Of& of, Maker maker) const {
  Fd file = TRY(sys::open(path, O_RDWR | O_NOFOLLOW | O_NONBLOCK | (maker == Maker::us ? O_CREAT : 0), 0600));
  const auto st = TRY(sys::stat(file.ref()));
  if (!is_ours(st) || (st.st_size == 0 && maker == Maker::others)) return Error(EBADMSG);
  return Mirror::open(std::move(file), of, [store = *this](std::uint64_t bytes) {
    const std::uint64_t step = std::clamp<std::uint64_t>(store.capacity_ / 16, 1, 64 << 20);
    if (store.since_trim_->fetch_add(bytes) + bytes < step) return;
    store.since_trim_->store(0);
    store.trim();
  });
}

std::shared_ptr<Mirror> MirrorStore::open(const Mirror::Of& of) const {
  if (capacity_ == 0) return nullptr;
  const auto try_open = [&]() -> Result<std::shared_ptr<Mirror>> {
    TRY(sys::make_dirs(dir_, 0700));
    const Fd dir = TRY(sys::open(dir_, O_RDONLY | O_DIRECTORY));
    if (room_at(dir.ref()) < kLeastRoom) return fail(ENOSPC, "less than {} MiB are free there", kLeastRoom >> 20);
    const std::string path = dir_ + "/" + name_of(of.blob);
    auto known = open_file(path, of, Maker::others);
    if (known || (!known.error().is(EBADMSG) && !known.error().is(ENOENT))) return known;
    // Until its header is written a new one looks like a stranger's, so it is made alone, and looked at again before it is replaced.
    TRY(sys::flock(dir.ref(), LOCK_EX));
    auto made = open_file(path, of, Maker::us);
    if (made || !made.error().is(EBADMSG)) return made;
    TRY(sys::unlink({kWorkingDir, path.c_str()}));
    return open_file(path, of, Maker::us);
  };
  auto opened = try_open();
  if (opened) return *std::move(opened);
  log::info("decoded bytes of {} cannot be kept in {}: {}", of.blob.str(), dir_, opened.error().message());
  return nullptr;
}

void MirrorStore::trim() const {
  const auto dir = sys::open(dir_, O_RDONLY | O_DIRECTORY);
  if (!dir || !sys::flock(dir->ref(), LOCK_EX | LOCK_NB)) return;
  std::vector<Fd> files;
  std::vector<std::string> paths;
  std::uint64_t total = 0;
  std::vector<Candidate> spans;
  std::vector<std::size_t> strangers;
  for (const std::string& name : names_in(dir_)) {
    std::string path = dir_ + "/" + name;
    auto file = sys::open(path, O_RDWR | O_NOFOLLOW | O_NONBLOCK);
    if (!file) continue;
    const auto st = sys::stat(file->ref());
    if (!st || !is_ours(*st)) continue;
    total += static_cast<std::uint64_t>(st->st_blocks) * 512;
    if (!collect(file->ref(), files.size(), static_cast<std::uint64_t>(st->st_size), spans)) strangers.push_back(files.size());
    files.push_back(*std::move(file));
    paths.push_back(std::move(path));
  }
  const std::uint64_t limit = std::min(capacity_, (total + room_at(dir->ref())) / 4);
  if (total <= limit) return;
  std::ranges::sort(spans, {}, &Candidate::used);
  const std::uint64_t goal = limit / 10 * 9;
  std::vector<bool> removed(files.size());
  // A file goes as a whole, and lives on for those who have it open.
  const auto remove = [&](std::size_t file) {
    const auto st = sys::stat(files[file].ref());
    if (st && sys::unlink({kWorkingDir, paths[file].c_str()})) total -= std::min(total, static_cast<std::uint64_t>(st->st_blocks) * 512);
    removed[file] = true;
  };
  for (const std::size_t file : strangers) remove(file);  // nobody has any use for them
  for (const Candidate& span : spans) {
    if (total <= goal) return;
    if (removed[span.file]) continue;
    const auto taken = take_away(files[span.file].ref(), span);
    if (taken) {
      if (*taken) total -= std::min(total, span.record.length);
    } else if (taken.error().is(EOPNOTSUPP)) {
      remove(span.file);  // a file system without holes
    }
  }
}

}  // namespace acetate
