#include "layers/stream/partial_blob.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>

#include "base/hash.h"
#include "base/sys/file.h"
#include "base/sys/new_file.h"
#include "base/sys/same_file.h"
#include "layers/stream/partial_format.h"

namespace acetate {

namespace {

using partial_format::Header;
using Record = partial_format::Record;

constexpr Record kAbsent = 0;
constexpr std::uint64_t kAtOnce = 1 << 16;  // records read or written

template <class T>
std::span<const std::byte> raw(const T& value) {
  return std::as_bytes(std::span(&value, 1));
}

Record record_of(std::span<const std::byte> bytes) noexcept {
  const Record sum = xxh3(bytes);
  return sum != kAbsent ? sum : 1;
}

Header header_for(const PartialBlob::Of& of) {
  Header header{};
  std::memcpy(header.magic, partial_format::kMagic, sizeof header.magic);
  header.size = of.size;
  std::ranges::copy(of.blob.head(), header.blob);
  header.sum = xxh3(raw(header).first(offsetof(Header, sum)));
  return header;
}

std::uint64_t blocks_of(std::uint64_t size) { return (size + PartialBlob::kBlock - 1) / PartialBlob::kBlock; }

// Only what we or root own and nobody else can write is believed.
bool is_ours(const struct stat& st) {
  return S_ISREG(st.st_mode) && (st.st_uid == ::geteuid() || st.st_uid == 0) && (st.st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

Result<Fd> open_file(FdRef dir, const std::string& name, int flags) {
  // The mode is what it will have as a blob of the store. Readers that may not write can read all the same.
  auto file = sys::open({dir, name.c_str()}, O_RDWR | O_NOFOLLOW | O_NONBLOCK | flags, 0644);
  if (!file && (flags & O_CREAT) == 0 && (file.error().is(EACCES) || file.error().is(EROFS)))
    file = sys::open({dir, name.c_str()}, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  return file;
}

// What the map says it is of, if it can be believed.
std::optional<PartialBlob::Of> read_header(FdRef map, const Digest& blob) {
  Header header{};
  const auto into = std::as_writable_bytes(std::span(&header, 1));
  const auto got = sys::pread_full(map, into, 0);
  if (!got || *got != into.size()) return std::nullopt;
  const PartialBlob::Of of{blob, header.size};
  if (header.size > partial_format::kMostBytes) return std::nullopt;
  Header expected = header_for(of);
  expected.state = header.state;
  if (std::memcmp(&header, &expected, sizeof header) != 0) return std::nullopt;
  return of;
}

}  // namespace

namespace {

// Away with what is none, or another's, under these names. Who has it open keeps what he has; so EBUSY where anybody has.
Result<void> clear(FdRef dir, const std::string& path, const Digest& blob) {
  const auto data = PartialBlob::data_name(blob), map = PartialBlob::map_name(blob);
  const auto there = sys::open({dir, data.c_str()}, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  if (!there && !there.error().is(ENOENT)) return there.error().clone().within("opening " + path + "/" + data);
  if (there) {
    const auto locked = sys::flock(there->ref(), LOCK_EX | LOCK_NB);
    if (!locked && locked.error().is(EWOULDBLOCK))
      return fail(EBUSY, "{}/{} is damaged, or of another size, and in use; unmount what is shown by it", path, data);
  }
  for (const auto& name : {map, data})
    if (auto gone = sys::unlink({dir, name.c_str()}); !gone && !gone.error().is(ENOENT))
      return std::move(gone).error().within("removing " + path + "/" + name);
  return {};
}

}  // namespace

Result<std::unique_ptr<PartialBlob>> PartialBlob::make(const std::string& path, const Of& of) {
  if (of.size > partial_format::kMostBytes)
    return fail(EFBIG, "the blob {} has {} bytes, which no layer has", of.blob.str(), of.size);
  TRY_WITHIN(sys::make_dirs(path, 0700), "making {}", path);
  const Fd dir = TRY_WITHIN(sys::open(path, O_RDONLY | O_DIRECTORY), "opening {}", path);
  // One after the other: of two who make the same the second finds it.
  TRY_WITHIN(sys::flock(dir.ref(), LOCK_EX), "locking {}", path);
  {
    auto there = open(path, of.blob);
    if (there && (*there)->size() == of.size) return there;
    if (!there && !there.error().is(ENOENT) && !there.error().is(EBADMSG)) return there;
  }
  TRY(clear(dir.ref(), path, of.blob));
  const auto name = data_name(of.blob), map = map_name(of.blob);
  Fd data = TRY_WITHIN(open_file(dir.ref(), name, O_CREAT | O_EXCL), "making {}/{}", path, name);
  TRY_WITHIN(sys::truncate(data.ref(), of.size), "making {}/{}", path, name);
  // The map comes last: what has one is whole. It is as sparse as the data: a size is what a manifest says, and takes no room before bytes come.
  auto made = TRY_WITHIN(sys::NewFile::make(path + "/" + map, 0600), "making {}/{}", path, map);
  const Header header = header_for(of);
  TRY_WITHIN(sys::pwrite_full(made.ref(), raw(header), 0), "making {}/{}", path, map);
  TRY_WITHIN(sys::truncate(made.ref(), partial_format::record_at(blocks_of(of.size))), "making {}/{}", path, map);
  TRY_WITHIN(made.commit(), "making {}/{}", path, map);
  return open(path, of.blob);
}

Result<std::unique_ptr<PartialBlob>> PartialBlob::open(const std::string& path, const Digest& blob) {
  const Fd dir = TRY(sys::open(path, O_RDONLY | O_DIRECTORY));
  return open_in(dir.ref(), path, blob, true);
}

Result<std::unique_ptr<PartialBlob>> PartialBlob::open_in(FdRef dir, const std::string& path, const Digest& blob, bool again) {
  Fd map = TRY(open_file(dir, map_name(blob), 0));
  Fd data = TRY(open_file(dir, data_name(blob), 0));
  const auto map_stat = TRY(sys::stat(map.ref())), data_stat = TRY(sys::stat(data.ref()));
  const auto of = read_header(map.ref(), blob);
  if (!is_ours(map_stat) || !is_ours(data_stat) || !of ||
      static_cast<std::uint64_t>(map_stat.st_size) != sizeof(Header) + blocks_of(of->size) * sizeof(Record) ||
      static_cast<std::uint64_t>(data_stat.st_size) != of->size)
    return fail(EBADMSG, "{}/{} is damaged, or others may write it", path, map_name(blob));
  // File systems without locks lose garbage collection's care, and nothing else.
  (void)sys::flock(data.ref(), LOCK_SH);
  auto opened = std::unique_ptr<PartialBlob>(new PartialBlob(*of, std::move(data), std::move(map)));
  // Made anew between the two, and before the lock.
  if (again && !TRY(opened->is_current(path))) return open_in(dir, path, blob, false);
  return opened;
}

Result<bool> PartialBlob::is_current(const std::string& path) const {
  const Fd dir = TRY(sys::open(path, O_RDONLY | O_DIRECTORY));
  const auto is_under = [&](FdRef file, const std::string& name) -> Result<bool> {
    const auto named = sys::stat({dir.ref(), name.c_str()});
    if (!named && named.error().is(ENOENT)) return false;
    if (!named) return named.error().clone();
    const auto ours = TRY(sys::stat(file));
    return sys::is_same_file(*named, ours);
  };
  return TRY(is_under(map_.ref(), map_name(of_.blob))) && TRY(is_under(data_.ref(), data_name(of_.blob)));
}

std::size_t PartialBlob::bytes_of(std::uint64_t block) const noexcept {
  return static_cast<std::size_t>(std::min(kBlock, of_.size - block * kBlock));
}

Result<std::vector<bool>> PartialBlob::present(std::uint64_t first, std::uint64_t end) const {
  std::vector<Record> records(static_cast<std::size_t>(end - first));
  const auto into = std::as_writable_bytes(std::span(records));
  if (TRY(sys::pread_full(map_.ref(), into, partial_format::record_at(first))) != into.size())
    return fail(EIO, "the map of the blob {} became shorter", of_.blob.str());
  std::vector<bool> there(records.size());
  for (std::size_t i = 0; i < records.size(); ++i) there[i] = records[i] != kAbsent;
  return there;
}

Result<std::uint64_t> PartialBlob::present_bytes() const {
  std::uint64_t sum = 0;
  for (std::uint64_t first = 0; first < blocks(); first += kAtOnce) {
    const auto there = TRY(present(first, std::min(blocks(), first + kAtOnce)));
    for (std::size_t i = 0; i < there.size(); ++i)
      if (there[i]) sum += bytes_of(first + i);
  }
  return sum;
}

Result<bool> PartialBlob::read(std::uint64_t block, std::span<std::byte> into) const {
  Record record = kAbsent;
  TRY(sys::pread_full(map_.ref(), std::as_writable_bytes(std::span(&record, 1)), partial_format::record_at(block)));
  if (record == kAbsent) return false;
  into = into.first(bytes_of(block));
  return TRY(sys::pread_full(data_.ref(), into, block * kBlock)) == into.size() && record_of(into) == record;
}

Result<void> PartialBlob::put(std::uint64_t block, std::span<const std::byte> bytes) const {
  TRY(sys::pwrite_full(data_.ref(), bytes, block * kBlock));
  return sys::pwrite_full(map_.ref(), raw(record_of(bytes)), partial_format::record_at(block));
}

Result<void> PartialBlob::forget(std::uint64_t block) const {
  return sys::pwrite_full(map_.ref(), raw(kAbsent), partial_format::record_at(block));
}

Result<void> PartialBlob::forget_all() const {
  if (sys::fallocate(map_.ref(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, partial_format::record_at(0), blocks() * sizeof(Record))) return {};
  // A file system without holes.
  const std::vector<Record> records(static_cast<std::size_t>(std::min(blocks(), kAtOnce)), kAbsent);
  for (std::uint64_t first = 0; first < blocks(); first += kAtOnce)
    TRY(sys::pwrite_full(map_.ref(), std::as_bytes(std::span(records).first(std::min(blocks() - first, kAtOnce))), partial_format::record_at(first)));
  return {};
}

Result<void> PartialBlob::condemn() const {
  return sys::pwrite_full(map_.ref(), raw(partial_format::kCondemned), offsetof(Header, state));
}

bool PartialBlob::is_condemned() const {
  std::uint64_t state = 0;
  const auto into = std::as_writable_bytes(std::span(&state, 1));
  const auto got = sys::pread_full(map_.ref(), into, offsetof(Header, state));
  return !got || *got != into.size() || state == partial_format::kCondemned;
}

}  // namespace acetate
