// AheadQueue: which of the runs that are likely to be read (read_order.h) are fetched now, side by side.
//
// In volleys: as many as the link brings in half a second, and readers come to within that time of each other, are asked for at once;
// the next ones when most of these have come. So a slow link keeps nobody waiting for more than that, a long one is filled, and a reader
// who is faster than the link waits once or twice for a volley, not once for each piece of it.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <vector>

#include "base/digest.h"
#include "layers/registry/fetcher/read_order.h"

namespace acetate::registry {

// Not thread-safe.
class AheadQueue {
 public:
  using Clock = std::chrono::steady_clock;

  static constexpr std::uint64_t kFirstVolley = std::uint64_t{4} << 20;  // before anything is known of the link
  static constexpr std::uint64_t kMostVolley = std::uint64_t{16} << 20;
  static constexpr std::chrono::milliseconds kVolley{500};

  struct Piece {
    Digest blob;
    OrderedRun run;
    std::uint64_t bytes() const noexcept { return (run.end - run.first) * PartialBlob::kBlock; }
  };

  // By rising time. What is in the queue of that blob already is forgotten.
  void put(const Digest& blob, std::vector<OrderedRun> runs);
  void forget(const Digest& blob);
  // Nothing waits, and nothing is under way.
  bool is_idle() const noexcept { return waiting_.empty() && under_way_ == 0; }
  // Somebody waits for those blocks. Where some of them wait here too he is faster than we, and the next volley begins at once: true.
  bool wanted(const Digest& blob, std::uint64_t first, std::uint64_t end);

  // The piece to ask for now, of all blobs the one that is come to first; nothing: wait until some have come.
  std::optional<Piece> next(Clock::time_point now);
  // One that next() gave has come, or will not.
  void came(const Piece& piece);

 private:
  void begin_volley(Clock::time_point now);
  void join();
  std::map<Digest, std::deque<OrderedRun>>::iterator first();

  std::map<Digest, std::deque<OrderedRun>> waiting_;  // none of them empty
  std::deque<Piece> volley_;                          // of it, those not asked for yet
  bool is_late_ = false;
  std::uint64_t volley_bytes_ = kFirstVolley;  // what the next one may have
  std::uint64_t last_volley_ = 0;              // and the last one had
  std::uint64_t under_way_ = 0;      // bytes, asked for or in the volley
  std::uint64_t came_ = 0;           // bytes since …
  Clock::time_point measured_from_;  // … then
};

}  // namespace acetate::registry
