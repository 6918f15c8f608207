// ReadTrace: where readers of a blob first looked for its plain bytes and when, kept beside the blob's index for its next mount.
// docs/read-trace.md is the table of its bytes.
//
// A hint and nothing else: the worst that a wrong one can do is to have bytes decoded that nobody wants.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/digest.h"
#include "base/mutex.h"
#include "base/result.h"

namespace acetate {

// A stretch of plain bytes that a reader came to.
struct TracePoint {
  std::uint64_t offset = 0;
  std::uint32_t ms = 0;      // since the layer was mounted
  std::uint32_t missed = 0;  // runs that did not come here, since the last one that did
  std::uint32_t bytes = 0;   // from there on; 0: not known, the span that it lies in
  bool operator==(const TracePoint&) const = default;
  // Never before it begins, whatever a file says.
  std::uint64_t end() const noexcept {
    const std::uint64_t length = bytes == 0 ? 1 : bytes;
    return offset > ~length ? ~std::uint64_t{0} : offset + length;
  }
};

// What a reader came to is told so exactly: which file it was, and not which span.
inline constexpr std::uint64_t kTraceCell = std::uint64_t{16} << 10;
inline constexpr std::size_t kMostTracePoints = 2048;
inline constexpr std::chrono::seconds kTraceLength{60};
// A point that so many runs in a row did not come to is forgotten.
inline constexpr std::uint32_t kMostMissedRuns = 4;

// What one run came to, and what those before it did. At most kMostTracePoints, the latest run's first.
std::vector<TracePoint> merge_traces(std::span<const TracePoint> now, std::span<const TracePoint> before);

std::string format_trace(const Digest& blob, std::span<const TracePoint> points);
// EBADMSG with words: damaged, of another version, or of another blob.
Result<std::vector<TracePoint>> parse_trace(std::string_view text, const Digest& blob);

// Nothing where there is none; nor where it is damaged, or not ours to believe (neither we nor root own it, or others may
// write it), which a line in the log tells.
std::vector<TracePoint> load_trace(const std::string& path, const Digest& blob);
// Never fails: what cannot be kept is not known the next time.
void save_trace(const std::string& path, const Digest& blob, std::span<const TracePoint> points);

// What one run comes to. Thread-safe.
class TraceRecorder {
 public:
  using Clock = std::chrono::steady_clock;

  // Of a layer of so many plain bytes.
  explicit TraceRecorder(std::uint64_t size, Clock::time_point begin = Clock::now());

  enum class Noted : std::uint8_t {
    known,  // not for the first time
    first,
    last,   // the first time, and recording ends with this call and no other
    late,   // the first time, and no longer recorded
  };
  // A reader has read those bytes. No lock but for the first time.
  Noted note(std::uint64_t offset, std::uint64_t length, Clock::time_point now = Clock::now());
  // By rising time.
  std::vector<TracePoint> points() const;

 private:
  bool touch(std::uint64_t cell) noexcept;

  const std::uint64_t size_;
  const Clock::time_point begin_;
  const std::unique_ptr<std::atomic<std::uint64_t>[]> touched_;  // by cell
  std::atomic<bool> over_ = false;
  mutable Mutex mutex_;
  std::vector<TracePoint> points_ GUARDED_BY(mutex_);
};

}  // namespace acetate
