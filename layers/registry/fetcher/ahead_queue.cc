#include "layers/registry/fetcher/ahead_queue.h"

#include <algorithm>
#include <numeric>
#include <utility>

namespace acetate::registry {

namespace {

// A link that is slower than ever seen still gets whole pieces.
constexpr std::uint64_t kLeastVolley = std::uint64_t{1} << 20;
// Of one request: whoever waits for other bytes waits no longer than for that.
constexpr std::uint64_t kMostBlocks = 16;
// So much that nobody asked for costs less than a request more.
constexpr std::uint64_t kGap = 1;
// The next volley is asked for when no more than that part of the last one is still to come.
constexpr std::uint64_t kOverlap = 4;

}  // namespace

void AheadQueue::put(const Digest& blob, std::vector<OrderedRun> runs) {
  forget(blob);
  if (waiting_.empty() && under_way_ == 0) came_ = 0;  // what was seen of the link is kept; how long nobody wanted anything says nothing
  if (!runs.empty()) waiting_[blob].assign(runs.begin(), runs.end());
}

void AheadQueue::forget(const Digest& blob) {
  waiting_.erase(blob);
  std::erase_if(volley_, [&](const Piece& piece) {
    if (piece.blob != blob) return false;
    under_way_ -= piece.bytes();
    return true;
  });
}

bool AheadQueue::wanted(const Digest& blob, std::uint64_t first, std::uint64_t end) {
  const auto found = waiting_.find(blob);
  if (found == waiting_.end() || !volley_.empty()) return false;
  if (std::ranges::any_of(found->second, [&](const OrderedRun& run) { return run.first < end && first < run.end; })) is_late_ = true;
  return is_late_;
}

std::map<Digest, std::deque<OrderedRun>>::iterator AheadQueue::first() {
  return std::ranges::min_element(waiting_, {}, [](const auto& entry) { return entry.second.front().ms; });
}

void AheadQueue::begin_volley(Clock::time_point now) {
  if (came_ > 0) {
    const auto ms = std::max<std::int64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(now - measured_from_).count(), 1);
    volley_bytes_ = std::clamp(came_ * static_cast<std::uint64_t>(kVolley.count()) / static_cast<std::uint64_t>(ms), kLeastVolley, kMostVolley);
  }
  came_ = 0;
  measured_from_ = now;
  std::uint64_t bytes = 0;
  for (std::optional<std::uint64_t> until; !waiting_.empty() && bytes < volley_bytes_;) {
    const auto from = first();
    const OrderedRun run = from->second.front();
    if (!until) until = std::uint64_t{run.ms} + static_cast<std::uint64_t>(kVolley.count());
    if (run.ms > *until) break;
    volley_.push_back({from->first, run});
    bytes += volley_.back().bytes();
    from->second.pop_front();
    if (from->second.empty()) waiting_.erase(from);
  }
  join();
  last_volley_ = std::accumulate(volley_.begin(), volley_.end(), std::uint64_t{0}, [](std::uint64_t sum, const Piece& piece) { return sum + piece.bytes(); });
  under_way_ += last_volley_;
}

// A volley comes as one: what lies side by side in it is asked for together.
void AheadQueue::join() {
  std::ranges::sort(volley_, {}, [](const Piece& piece) { return std::pair(piece.blob, piece.run.first); });
  std::deque<Piece> joined;
  for (const Piece& piece : volley_) {
    Piece* const last = joined.empty() ? nullptr : &joined.back();
    if (last != nullptr && last->blob == piece.blob && piece.run.first >= last->run.end && piece.run.first - last->run.end <= kGap &&
        piece.run.end - last->run.first <= kMostBlocks) {
      last->run.end = piece.run.end;
      last->run.ms = std::min(last->run.ms, piece.run.ms);
    } else {
      joined.push_back(piece);
    }
  }
  std::ranges::stable_sort(joined, {}, [](const Piece& piece) { return piece.run.ms; });
  volley_ = std::move(joined);
}

std::optional<AheadQueue::Piece> AheadQueue::next(Clock::time_point now) {
  if (volley_.empty() && (std::exchange(is_late_, false) || under_way_ * kOverlap <= last_volley_)) begin_volley(now);
  if (volley_.empty()) return std::nullopt;
  const Piece piece = volley_.front();
  volley_.pop_front();
  return piece;
}

void AheadQueue::came(const Piece& piece) {
  under_way_ -= piece.bytes();
  came_ += piece.bytes();
}

}  // namespace acetate::registry
