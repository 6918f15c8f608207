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

struct TracePoint {
  std::uint64_t offset = 0;  // of plain bytes, where a span begins
  std::uint32_t ms = 0;      // since the layer was mounted
  std::uint32_t missed = 0;  // runs that did not come here, since the last one that did
  bool operator==(const TracePoint&) const = default;
};

inline constexpr std::size_t kMostTracePoints = 512;
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

  explicit TraceRecorder(std::size_t spans, Clock::time_point begin = Clock::now());

  enum class Noted : std::uint8_t {
    known,  // not for the first time
    first,
    last,   // the first time, and recording ends with this call and no other
    late,   // the first time, and no longer recorded
  };
  // A reader is in a span. No lock but for the first time.
  Noted note(std::size_t span, std::uint64_t offset, Clock::time_point now = Clock::now());
  bool is_known(std::size_t span) const noexcept {
    return span >= spans_ || (touched_[span / 64].load(std::memory_order_relaxed) >> (span % 64) & 1U) != 0;
  }
  // By rising time.
  std::vector<TracePoint> points() const;

 private:
  const std::size_t spans_;
  const Clock::time_point begin_;
  const std::unique_ptr<std::atomic<std::uint64_t>[]> touched_;
  std::atomic<bool> over_ = false;
  mutable Mutex mutex_;
  std::vector<TracePoint> points_ GUARDED_BY(mutex_);
};

}  // namespace acetate
