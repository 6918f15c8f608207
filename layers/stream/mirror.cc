#include "layers/stream/mirror.h"

#include <fcntl.h>
#include <time.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "base/bytes.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/sys/file.h"
#include "base/sys/memory.h"
#include "base/sys/range_lock.h"

namespace acetate {

namespace {

using mirror_format::Header;
using mirror_format::Record;

// How exact "last used" is: a write for each use would cost more than the order is worth.
constexpr std::uint32_t kUseGrain = 60;

static_assert(BlockSums::kBlockBytes == mirror_format::kBlockBytes);

std::uint64_t sum_of(std::span<const std::uint64_t> block_sums) noexcept {
  const std::uint64_t sum = xxh3(std::as_bytes(block_sums));
  return sum != 0 ? sum : 1;
}

std::uint32_t now() noexcept { return static_cast<std::uint32_t>(::time(nullptr)); }

template <class T>
std::span<const std::byte> raw(const T& value) {
  return std::as_bytes(std::span(&value, 1));
}

Header header_for(const Mirror::Of& of) {
  Header header{};
  std::memcpy(header.magic, mirror_format::kMagic, sizeof header.magic);
  header.plain_bytes = of.plain_size;
  header.spans = of.spans;
  std::ranges::copy(of.blob.head(), header.blob);
  header.cut = of.cut;
  header.sum = xxh3(raw(header).first(offsetof(Header, sum)));
  return header;
}

Result<Fd> unnamed_file() {
  const char* own = std::getenv("TMPDIR");
  for (const char* dir : {own != nullptr && *own != '\0' ? own : "/var/tmp", "/var/tmp", "/tmp"}) {
    if (auto file = sys::open(dir, O_RDWR | O_TMPFILE | O_EXCL, 0600)) return file;
  }
  return fail(EROFS, "no place for decoded bytes: none of $TMPDIR, /var/tmp and /tmp takes unnamed files");
}

}  // namespace

Mirror::Mirror(Fd file, const Of& of, std::function<void(std::uint64_t)> stored)
    : file_(std::move(file)), of_(of), stored_(std::move(stored)), pins_(of.spans), known_(of.spans), distrusted_(of.spans) {}

Result<std::shared_ptr<Mirror>> Mirror::open(Fd file, const Of& of, std::function<void(std::uint64_t)> stored) {
  const std::uint64_t size = mirror_format::file_bytes(of.plain_size, of.spans);
  const auto st = TRY(sys::stat(file.ref()));
  const Header expected = header_for(of);
  if (st.st_size == 0) {
    TRY(sys::truncate(file.ref(), size));
    TRY(sys::pwrite_full(file.ref(), raw(expected), mirror_format::header_at(of.plain_size)));
  } else {
    if (static_cast<std::uint64_t>(st.st_size) != size) return Error(EBADMSG);
    Header found{};
    const auto into = std::as_writable_bytes(std::span(&found, 1));
    const std::size_t got = TRY(sys::pread_full(file.ref(), into, mirror_format::header_at(of.plain_size)));
    if (got != into.size() || std::memcmp(&found, &expected, sizeof found) != 0) return Error(EBADMSG);
  }
  return std::shared_ptr<Mirror>(new Mirror(std::move(file), of, std::move(stored)));
}

Result<std::shared_ptr<Mirror>> Mirror::unnamed(const Of& of) { return open(TRY(unnamed_file()), of); }

// Nothing: no whole span of that place was stored, or it was found to be wrong.
std::optional<Record> Mirror::record_of(const SpanPlace& place) const {
  {
    Lock lock(mutex_);
    if (place.number >= distrusted_.size() || distrusted_[place.number]) return std::nullopt;
  }
  Record record{};
  const auto into = std::as_writable_bytes(std::span(&record, 1));
  const auto got = sys::pread_full(file_.ref(), into, mirror_format::record_at(of_.plain_size, place.number));
  if (!got || *got != into.size() || record.sum == 0) return std::nullopt;
  if (record.begin != place.begin || record.length != place.end - place.begin) return std::nullopt;
  return record;
}

// Nothing: they are not those that the record was written for.
std::optional<std::vector<std::uint64_t>> Mirror::block_sums_of(const SpanPlace& place, const Record& record) const {
  std::vector<std::uint64_t> sums((record.length + mirror_format::kBlockBytes - 1) / mirror_format::kBlockBytes);
  const auto into = std::as_writable_bytes(std::span(sums));
  const auto got = sys::pread_full(file_.ref(), into, mirror_format::block_sums_at(of_.plain_size, of_.spans, place.number, place.begin));
  if (!got || *got != into.size() || sum_of(sums) != record.sum) return std::nullopt;
  return sums;
}

SpanBytes Mirror::load(const SpanPlace& place) const {
  if (!record_of(place)) return nullptr;  // most are not
  auto held = pinned(place.number);
  const auto record = held ? record_of(place) : std::nullopt;
  if (!record) return nullptr;
  auto sums = block_sums_of(place, *record);
  if (!sums) return nullptr;
  auto bytes = std::make_shared<DecodedSpan>();
  bytes->held = std::move(held);
  bytes->size = static_cast<std::size_t>(record->length);
  bytes->skipped = static_cast<std::size_t>(place.begin % sys::page_size());
  auto mapped = sys::map_file(file_.ref(), bytes->skipped + bytes->size, place.begin - bytes->skipped);
  if (!mapped) return nullptr;
  bytes->mapped = *std::move(mapped);
  bytes->sums.emplace(*std::move(sums));
  touch(place, *record);
  return bytes;
}

void Mirror::distrust(const SpanPlace& place) const {
  Lock lock(mutex_);
  if (place.number < distrusted_.size()) distrusted_[place.number] = true;
}

bool Mirror::is_known(const SpanPlace& place, const Record& record) const {
  Lock lock(mutex_);
  return known_[place.number] == record.sum;
}

void Mirror::know(const SpanPlace& place, const Record& record) const {
  Lock lock(mutex_);
  known_[place.number] = record.sum;
}

void Mirror::trust(const SpanPlace& place) const {
  Lock lock(mutex_);
  distrusted_[place.number] = false;
}

bool Mirror::has_lost_its_name() const {
  if (!stored_) return false;  // it never had one
  const auto st = sys::stat(file_.ref());
  return st && st->st_nlink == 0;
}

void Mirror::touch(const SpanPlace& place, Record record) const {
  const std::uint32_t time = now();
  if (time - record.used < kUseGrain) return;
  // Only the time: the rest may have changed since.
  (void)sys::pwrite_full(file_.ref(), raw(time),
                         mirror_format::record_at(of_.plain_size, place.number) + offsetof(Record, used));
}

void Mirror::store(const SpanPlace& place, std::span<const std::byte> bytes) const {
  if (full_.load(std::memory_order_relaxed) || bytes.empty()) return;
  if (has_lost_its_name()) {
    full_ = true;
    return;
  }
  if (!pin(place.number)) return;
  const std::uint64_t at = mirror_format::record_at(of_.plain_size, place.number);
  // Told first, so that whatever a kill leaves of the bytes can be found and freed.
  Record record{.sum = 0, .begin = place.begin, .length = bytes.size(), .used = now(), .reserved = 0};
  const auto write = [&]() -> Result<void> {
    TRY(sys::pwrite_full(file_.ref(), raw(record), at));
    TRY(sys::pwrite_full(file_.ref(), bytes, place.begin));
    const auto sums = BlockSums::of(bytes);
    TRY(sys::pwrite_full(file_.ref(), std::as_bytes(std::span(sums)),
                         mirror_format::block_sums_at(of_.plain_size, of_.spans, place.number, place.begin)));
    record.sum = sum_of(sums);
    return sys::pwrite_full(file_.ref(), raw(record), at);
  };
  const auto written = write();
  if (written) {
    trust(place);  // not known to be true before it was read: a disk may take it and lose it
  } else if (!full_.exchange(true)) {
    // No sum, no span. Its blocks are the MirrorStore's to free, under a write lock: another process may have stored it meanwhile.
    log::info("decoded bytes are not kept any more, reading goes on without: {}", written.error().message());
  }
  unpin(place.number);
  if (written && stored_) stored_(bytes.size());
}

std::optional<ByteSource::Stretch> Mirror::stretch(const SpanPlace& place, std::uint64_t offset) const {
  auto held = pinned(place.number);
  if (!held) return std::nullopt;
  const auto record = record_of(place);
  if (!record) return std::nullopt;
  // Whoever takes them from the file asks nobody whether they are true.
  if (!is_known(place, *record)) {
    const auto bytes = load(place);
    if (bytes == nullptr) return std::nullopt;
    if (!bytes->is_true(0, bytes->size) || bytes->failed()) {
      distrust(place);
      return std::nullopt;
    }
    know(place, *record);
  }
  return ByteSource::Stretch{file_.ref(), offset, place.end - offset, std::move(held)};
}

// The lock is the open file's, so it is taken for the first of us and given up for the last.
bool Mirror::pin(std::size_t number) const {
  Lock lock(mutex_);
  if (number >= pins_.size()) return false;
  if (pins_[number] == 0 && !sys::lock_range(file_.ref(), F_RDLCK, mirror_format::record_at(of_.plain_size, number),
                                             sizeof(Record)))
    return false;
  ++pins_[number];
  return true;
}

std::shared_ptr<const void> Mirror::pinned(std::size_t number) const {
  if (!pin(number)) return nullptr;
  return {this, [self = shared_from_this(), number](const Mirror*) { self->unpin(number); }};
}

void Mirror::unpin(std::size_t number) const noexcept {
  Lock lock(mutex_);
  if (--pins_[number] == 0)
    (void)sys::lock_range(file_.ref(), F_UNLCK, mirror_format::record_at(of_.plain_size, number), sizeof(Record));
}

}  // namespace acetate
