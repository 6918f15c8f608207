#include <algorithm>
#include <new>
#include <utility>
#include <vector>

#include "layers/stream/read_ahead.h"
#include "layers/stream/span_source.h"

namespace acetate {

namespace {

// Runs that did not come to a place count as if it were so much later.
constexpr std::uint64_t kMissedCost = 60'000;

// Of one layer at one mount: what a start reads, and not what a search through everything came to.
constexpr std::uint64_t kMostBytesAhead = std::uint64_t{256} << 20;

constexpr unsigned kInARowFromAfar = 2;

}  // namespace

// A reader that comes to a span from the one before will come to the next one; one who only crossed from one to the other may not, and
// where bytes come from far away he gets the benefit of the doubt a span later.
void SpanSource::see(std::size_t index, std::uint64_t offset, std::uint64_t length) const {
  const bool is_first = is_first_there(index);
  if (is_first) note_need(index);
  if (Learning* learning = learning_.load(std::memory_order_acquire)) {
    if (is_first && learning->prefetched[index]) prefetch_used_.fetch_add(1, std::memory_order_relaxed);
    note(*learning, offset, length);
  }
  if (!what_.read_ahead) return;
  for (auto& seen : recent_)
    if (seen.load(std::memory_order_relaxed) == index) return;
  const auto before = std::ranges::find_if(
      recent_, [&](const auto& seen) { return index > 0 && seen.load(std::memory_order_relaxed) + 1 == index; });
  if (before == recent_.end()) {
    const std::size_t slot = oldest_recent_.fetch_add(1, std::memory_order_relaxed) % recent_.size();
    in_a_row_[slot].store(0, std::memory_order_relaxed);
    recent_[slot] = index;
    return;
  }
  before->store(index, std::memory_order_relaxed);
  const unsigned in_a_row = in_a_row_[static_cast<std::size_t>(before - recent_.begin())].fetch_add(1, std::memory_order_relaxed) + 1;
  if (index + 1 >= what_.checkpoints->count()) return;
  if (in_a_row < kInARowFromAfar && what_.packed->fetched().needed > 0) return;
  ReadAhead::process().ask(this, [this, next = index + 1] {
    // Whoever reads it hears of what is wrong with it.
    if (const auto span = this->span(next)) (void)get(*span);
  });
}

bool SpanSource::is_first_there(std::size_t index) const {
  return index < came_to_.size() && !came_to_[index].load(std::memory_order_relaxed) && !came_to_[index].exchange(true, std::memory_order_relaxed);
}

void SpanSource::learn(const std::string& trace) const {
  Lock lock(learning_mutex_);
  if (own_learning_ != nullptr) return;
  const std::size_t spans = what_.checkpoints->count();
  if (what_.plain_size / kMaxSpanBytes > spans) return;  // a damaged table is told of to whoever reads
  own_learning_.reset(new Learning{.path = trace,
                                   .now = TraceRecorder(what_.plain_size),
                                   .prefetched = std::make_unique<std::atomic<bool>[]>(spans)});
  Learning& learning = *own_learning_;
  learning_.store(&learning, std::memory_order_release);

  std::vector<ReadAhead::Later> jobs;
  std::vector<bool> known(spans);
  for (const TracePoint& point : load_trace(trace, what_.blob)) {
    if (point.offset >= what_.plain_size) continue;
    const auto first = find_span(*what_.checkpoints, point.offset);
    const auto last = find_span(*what_.checkpoints, std::min(point.end(), what_.plain_size) - 1);
    if (!first || !last) continue;
    const auto start = start_before(*first);
    if (!start) continue;
    // Where decoding can begin at few places only, what lies between is decoded too: better span by span than in one piece.
    for (std::size_t index = *start; index <= *last; ++index) {
      if (known[index]) continue;
      known[index] = true;
      jobs.push_back({point.missed * kMissedCost + point.ms, [this, &learning, index] { return prefetch(learning, index); }});
    }
  }
  ReadAhead::process().later(this, std::move(jobs));
}

// False: no more of them.
bool SpanSource::prefetch(Learning& learning, std::size_t index) const {
  if (came_to_[index].load(std::memory_order_relaxed)) return true;  // a reader was faster
  const auto span = this->span(index);
  if (!span || learning.bytes_ahead.fetch_add(span->end - span->begin) >= kMostBytesAhead) return false;
  const auto ahead = [&] {
    learning.prefetched[index] = true;
    prefetched_.fetch_add(1, std::memory_order_relaxed);
    return load_or_decode(*span);
  };
  // What lies plain already is quickly read by whoever wants it, and there is much in a trace that this run will not want.
  if (const auto mirror = this->mirror(false); mirror != nullptr && mirror->holds(span->place())) return true;
  // Whoever reads it hears of what is wrong with it.
  if (what_.cache->bytes() <= what_.cache->capacity() / 2) return what_.cache->get({id_, index}, ahead).has_value();
  // Nothing must be driven out of memory that readers are at, or that was decoded for them a moment ago: what comes now goes
  // to the disk or nowhere.
  const auto mirror = this->mirror(false);
  if (mirror == nullptr || mirror->is_full()) return false;
  return ahead().has_value();
}

void SpanSource::note(Learning& learning, std::uint64_t offset, std::uint64_t length) const {
  const auto noted = learning.now.note(offset, length);
  // A mount may last for months, and end with the machine.
  if (noted != TraceRecorder::Noted::last) return;
  std::vector<ReadAhead::Later> job;
  job.push_back({0, [this, &learning] { return save(learning), true; }});
  ReadAhead::process().later(this, std::move(job));
}

void SpanSource::save(Learning& learning) const {
  if (learning.is_saved.exchange(true)) return;
  try {
    const std::vector<TracePoint> now = learning.now.points();
    // Who only looked around had no use for bytes, and says nothing about those who have. Other mounts may have told of
    // themselves since we began.
    if (!now.empty()) save_trace(learning.path, what_.blob, merge_traces(now, load_trace(learning.path, what_.blob)));
  } catch (const std::bad_alloc&) {  // in a destructor, too: a hint is not worth the daemon
  }
}

}  // namespace acetate
