#include "layers/stream/read_trace.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <limits>
#include <utility>

#include "base/bytes.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/scope.h"
#include "base/sys/file.h"

namespace acetate {

namespace {

constexpr std::string_view kMagic = "ACETTRC2";
constexpr std::size_t kPointBytes = 8 + 4 + 4 + 4;
// Version 1 told of spans, which indexes may cut otherwise.
constexpr std::string_view kMagicOfSpans = "ACETTRC1";
constexpr std::size_t kSpanPointBytes = 8 + 4 + 4;
// Readers who go on where they were make one point of it, until it is that long: then another time is worth telling.
constexpr std::uint64_t kLongestPoint = std::uint64_t{1} << 20;
constexpr std::size_t kMostBytes = kMagic.size() + 32 + 8 + kMostTracePoints * kPointBytes + 8;

std::uint64_t first_cell(const TracePoint& point) { return point.offset / kTraceCell; }
std::uint64_t last_cell(const TracePoint& point) { return (point.end() - 1) / kTraceCell; }

Result<std::string> read_ours(const std::string& path) {
  const Fd file = TRY(sys::open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK));
  const auto st = TRY(sys::stat(file.ref()));
  if (!S_ISREG(st.st_mode) || (st.st_uid != ::geteuid() && st.st_uid != 0) || (st.st_mode & (S_IWGRP | S_IWOTH)) != 0)
    return fail(EPERM, "others may write it");
  return sys::read_all(file.ref(), kMostBytes);
}

}  // namespace

std::vector<TracePoint> merge_traces(std::span<const TracePoint> now, std::span<const TracePoint> before) {
  std::vector<std::uint64_t> came_now;
  for (const TracePoint& point : now)
    for (std::uint64_t cell = first_cell(point); cell <= last_cell(point); ++cell) came_now.push_back(cell);
  std::ranges::sort(came_now);
  const auto was_read = [&](const TracePoint& point) {
    for (std::uint64_t cell = first_cell(point); cell <= last_cell(point); ++cell)
      if (!std::ranges::binary_search(came_now, cell)) return false;
    return true;
  };
  std::vector<TracePoint> points(now.begin(), now.end());
  for (TracePoint point : before) {
    if (point.missed >= kMostMissedRuns || was_read(point)) continue;
    ++point.missed;
    points.push_back(point);
  }
  // Stable: of what came in one millisecond, too, the first stays the first.
  std::ranges::stable_sort(points, {}, [](const TracePoint& point) { return std::pair(point.missed, point.ms); });
  if (points.size() > kMostTracePoints) points.resize(kMostTracePoints);
  return points;
}

std::string format_trace(const Digest& blob, std::span<const TracePoint> points) {
  ByteWriter text;
  text.put(kMagic);
  text.put(std::span<const std::byte>(blob.head()));
  text.put(std::uint64_t{points.size()});
  for (const TracePoint& point : points) {
    text.put(point.offset);
    text.put(point.ms);
    text.put(point.missed);
    text.put(point.bytes);
  }
  text.put(xxh3(text.bytes()));
  return std::string(as_text(text.bytes()));
}

Result<std::vector<TracePoint>> parse_trace(std::string_view text, const Digest& blob) {
  const std::span<const std::byte> bytes = as_bytes(text);
  ByteReader reader(bytes);
  const auto magic = reader.take(kMagic.size());
  const bool has_lengths = magic && as_text(*magic) == kMagic;
  if (!has_lengths && !(magic && as_text(*magic) == kMagicOfSpans)) return fail(EBADMSG, "it is none, or of another version");
  const std::size_t point_bytes = has_lengths ? kPointBytes : kSpanPointBytes;
  const auto of = reader.take(Digest::kHeadBytes);
  const auto count = reader.get<std::uint64_t>();
  if (!of || !count || *count > kMostTracePoints || reader.left() != *count * point_bytes + 8)
    return fail(EBADMSG, "it is damaged");
  if (!std::ranges::equal(*of, blob.head())) return fail(EBADMSG, "it is of another blob");
  std::vector<TracePoint> points(static_cast<std::size_t>(*count));
  for (TracePoint& point : points) {
    point = {.offset = *reader.get<std::uint64_t>(), .ms = *reader.get<std::uint32_t>(), .missed = *reader.get<std::uint32_t>()};
    if (has_lengths) point.bytes = *reader.get<std::uint32_t>();
  }
  if (reader.get<std::uint64_t>() != xxh3(bytes.first(bytes.size() - 8))) return fail(EBADMSG, "it is damaged");
  return points;
}

std::vector<TracePoint> load_trace(const std::string& path, const Digest& blob) {
  const auto text = read_ours(path);
  if (!text && text.error().is(ENOENT)) return {};
  auto points = text ? parse_trace(*text, blob) : Result<std::vector<TracePoint>>(text.error().clone());
  if (points) return *std::move(points);
  log::info("the read trace {} is not followed: {}", path, points.error().message());
  return {};
}

void save_trace(const std::string& path, const Digest& blob, std::span<const TracePoint> points) {
  // Not synced, so that unmounting does not wait for a disk, and one temporary name for all: what a lost page or another writer
  // makes of it fails its checksum, and nothing is lost but a hint.
  const std::string temporary = path + ".tmp";
  const auto save = [&]() -> Result<void> {
    // An index that others made may lie elsewhere, and then nobody has made this folder.
    TRY(sys::make_dirs(path.substr(0, path.rfind('/')), 0700));
    // Whatever lies there, a FIFO too, is not opened.
    if (auto gone = sys::unlink({kWorkingDir, temporary.c_str()}); !gone && !gone.error().is(ENOENT)) return gone;
    const Fd file = TRY(sys::open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600));
    Undo remove{[&] { (void)sys::unlink({kWorkingDir, temporary.c_str()}); }};
    TRY(sys::write_full(file.ref(), format_trace(blob, points)));
    TRY(sys::rename({kWorkingDir, temporary.c_str()}, {kWorkingDir, path.c_str()}));
    remove.release();
    return {};
  };
  if (const auto saved = save(); !saved)
    log::debug("which bytes of {} were read is not remembered: {}", blob.str(), saved.error().message());
}

TraceRecorder::TraceRecorder(std::uint64_t size, Clock::time_point begin)
    : size_(size),
      begin_(begin),
      touched_(std::make_unique<std::atomic<std::uint64_t>[]>(static_cast<std::size_t>(size / kTraceCell / 64 + 1))) {}

// Whether nobody had before.
bool TraceRecorder::touch(std::uint64_t cell) noexcept {
  auto& word = touched_[static_cast<std::size_t>(cell / 64)];
  const std::uint64_t bit = std::uint64_t{1} << (cell % 64);
  return (word.load(std::memory_order_relaxed) & bit) == 0 && (word.fetch_or(bit, std::memory_order_relaxed) & bit) == 0;
}

TraceRecorder::Noted TraceRecorder::note(std::uint64_t offset, std::uint64_t length, Clock::time_point now) {
  if (offset >= size_ || length == 0) return Noted::known;
  length = std::min(length, size_ - offset);
  bool is_new = false;
  for (std::uint64_t cell = offset / kTraceCell; cell <= (offset + length - 1) / kTraceCell; ++cell) is_new = touch(cell) || is_new;
  if (!is_new) return Noted::known;
  if (over_.load(std::memory_order_relaxed)) return Noted::late;
  Lock lock(mutex_);
  if (over_.load(std::memory_order_relaxed)) return Noted::late;
  if (now - begin_ > kTraceLength) {
    over_ = true;
    return Noted::last;
  }
  const auto bytes = static_cast<std::uint32_t>(std::min<std::uint64_t>(length, std::numeric_limits<std::uint32_t>::max()));
  if (!points_.empty() && points_.back().end() == offset && points_.back().bytes + std::uint64_t{bytes} <= kLongestPoint) {
    points_.back().bytes += bytes;
    return Noted::first;
  }
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(now - begin_).count();
  points_.push_back({.offset = offset, .ms = static_cast<std::uint32_t>(std::max<std::int64_t>(ms, 0)), .bytes = bytes});
  if (points_.size() < kMostTracePoints) return Noted::first;
  over_ = true;
  return Noted::last;
}

std::vector<TracePoint> TraceRecorder::points() const {
  Lock lock(mutex_);
  return points_;
}

}  // namespace acetate
