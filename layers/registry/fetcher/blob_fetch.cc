#include "layers/registry/fetcher/blob_fetch.h"

#include <algorithm>
#include <cstring>
#include <thread>

#include "base/log.h"

namespace acetate::registry {

namespace {

using Clock = std::chrono::steady_clock;
constexpr std::uint64_t kBlock = PartialBlob::kBlock;

// What the stream of the whole blob brings so soon is not asked for a second time: a mebibyte, which is what a link of
// 10 MB/s brings in the time of one round trip to far away.
constexpr std::uint64_t kNear = 16;
// A gap of blocks that are here already is worth a new request when it is that long.
constexpr std::uint64_t kWorthSkipping = 16;

constexpr std::chrono::milliseconds kFirstPause{100}, kLongestPause{2000};

// Who waits for more than that and finds no room on the disk reads it piece by piece.
constexpr std::uint64_t kMostSpared = 128;

// Rounds of the whole that bring nothing new, and readings of a disk that does not keep what was put on it.
constexpr int kMostInVain = 4;

// A disk that takes nothing more, or nothing at all.
bool takes_nothing(const Error& error) { return error.is(ENOSPC) || error.is(EDQUOT) || error.is(EROFS) || error.is(EIO); }

Error no_room(const Digest& blob) { return {ENOSPC, fmt::format("there is no room on the disk for a part of {}", blob.str())}; }

// Puts the bytes of an answer together to blocks.
class Blocks {
 public:
  Blocks(const PartialBlob& blob, std::uint64_t first) : blob_(blob), block_(first) {}

  // `put` gets every block that is complete now.
  template <class F>
  Result<void> add(std::span<const std::byte> bytes, F&& put) {
    while (!bytes.empty()) {
      const std::size_t whole = blob_.bytes_of(block_);
      const auto part = bytes.first(std::min(bytes.size(), whole - kept_.size()));
      kept_.insert(kept_.end(), part.begin(), part.end());
      bytes = bytes.subspan(part.size());
      if (kept_.size() < whole) return {};
      TRY(put(block_++, std::span<const std::byte>(kept_)));
      kept_.clear();
    }
    return {};
  }
  // An answer after one that broke off begins at a byte we may have.
  std::uint64_t next_byte() const { return block_ * kBlock + kept_.size(); }

 private:
  const PartialBlob& blob_;
  std::uint64_t block_;
  std::vector<std::byte> kept_;
};

}  // namespace

BlobFetch::BlobFetch(std::unique_ptr<PartialBlob> blob, std::unique_ptr<BlobPlaces> places, SpareBlocks& spare, FetchEvents events)
    : blob_(std::move(blob)), places_(std::move(places)), spare_(spare), events_(std::move(events)) {}

// The first run of missing blocks, little gaps in it included. `for_reader`: those before it, which the map says are there, are
// looked at, and those that only memory has are there too.
Result<std::optional<BlobFetch::Run>> BlobFetch::first_missing(std::uint64_t first, std::uint64_t end, bool for_reader) const {
  auto there = TRY(blob_->present(first, end));
  std::vector<std::byte> bytes(for_reader ? kBlock : 0);
  for (std::size_t i = 0; for_reader && i < there.size(); ++i) {
    if (there[i] && !TRY(blob_->read(first + i, bytes))) {
      TRY(blob_->forget(first + i));
      there[i] = false;
    }
    if (!there[i]) there[i] = spare_.has(blob_->digest(), first + i);
    if (!there[i]) break;
  }
  std::optional<Run> run;
  std::uint64_t gap = 0;
  for (std::uint64_t block = first; block < end; ++block) {
    if (there[static_cast<std::size_t>(block - first)]) {
      if (run && ++gap == kWorthSkipping) break;
      continue;
    }
    if (!run) run = Run{block, block};
    run->end = block + 1;
    gap = 0;
  }
  return run;
}

const BlobFetch::Stream* BlobFetch::who_brings(std::uint64_t block) const {
  for (const Stream* stream : streams_)
    if (stream->next <= block && block < stream->end && (no_ranges_ || block - stream->next < kNear)) return stream;
  return nullptr;
}

BlobFetch::Run BlobFetch::cut_at_others(Run run) const {
  for (const Stream* stream : streams_)
    if (stream->next > run.first && stream->next < run.end) run.end = stream->next;
  return run;
}

Result<void> BlobFetch::fetch(std::uint64_t first, std::uint64_t end, std::chrono::milliseconds patience) {
  return bring(first, end, patience, true, [] { return true; });
}

Result<void> BlobFetch::fetch_ahead(std::uint64_t first, std::uint64_t end, std::chrono::milliseconds patience,
                                    const std::function<bool()>& goes_on) {
  return bring(first, end, patience, false, goes_on);
}

Result<void> BlobFetch::bring(std::uint64_t first, std::uint64_t end, std::chrono::milliseconds patience, bool is_waited_for,
                              const std::function<bool()>& goes_on) {
  end = std::min(end, blob_->blocks());
  Held lock(mutex_);
  const std::uint64_t begin = first;
  TRY(put_spare(begin, end));
  auto pause = kFirstPause;
  auto heard = Clock::now();  // of the last byte
  std::optional<std::uint64_t> last_missing;
  while (first < end) {
    const auto missing = TRY(first_missing(first, end, true));
    if (!missing) return all_on_disk(begin, end);
    if (last_missing != missing->first) heard = Clock::now(), pause = kFirstPause;
    last_missing = first = missing->first;  // those before it have been looked at
    if (is_sealed_) {  // being verified, which finds the same
      if (changed_.wait_until(lock, heard + patience) == std::cv_status::timeout)
        return fail(EIO, "the disk does not keep a part of {}", blob_->digest().str());
      continue;
    }
    if (who_brings(missing->first) != nullptr) {
      // Woken by whatever comes; should nothing come, by the stream's own end.
      changed_.wait(lock);
      continue;
    }
    if (TRY(comes_with_whole(missing->first))) {
      if (changed_.wait_for(lock, kLongestPause) == std::cv_status::timeout) whole_expected_ = false;
      continue;
    }
    if (no_ranges_) {
      if (!is_waited_for) return Error(ECANCELED);
      TRY(wait_for_whole(lock, missing->first, patience));
      continue;
    }
    if (is_waited_for) events_.demand_begins();
    auto streamed = stream(lock, cut_at_others(*missing), is_waited_for ? Spare::kept : Spare::refused, goes_on);
    if (is_waited_for) events_.demand_ends();
    if (streamed) continue;
    if (streamed.error().is(ECANCELED)) {  // or all has come meanwhile, and is verified
      lock.unlock();
      if (!goes_on()) return streamed;
      lock.lock();
      continue;
    }
    if (!is_transient(streamed.error()) || Clock::now() - heard + pause >= patience) return streamed;
    lock.unlock();
    std::this_thread::sleep_for(pause);
    pause = std::min(2 * pause, kLongestPause);
    lock.lock();
  }
  return {};
}

// Under the lock. The disk may have room again.
Result<void> BlobFetch::put_spare(std::uint64_t first, std::uint64_t end) {
  for (const auto block : spare_.among(blob_->digest(), first, end)) {
    const auto bytes = spare_.find(blob_->digest(), block);
    if (!bytes || is_sealed_) continue;  // sealed: all of it is on the disk
    if (const auto put = blob_->put(block, *bytes); !put) return takes_nothing(put.error()) ? Result<void>() : put.error().clone();
    spare_.drop(blob_->digest(), block);
  }
  return {};
}

Result<void> BlobFetch::all_on_disk(std::uint64_t first, std::uint64_t end) const {
  if (first >= end || std::ranges::count(TRY(blob_->present(first, end)), false) == 0) return {};
  return no_room(blob_->digest());
}

Result<std::vector<std::byte>> BlobFetch::lend(std::uint64_t block, std::chrono::milliseconds patience) {
  if (block >= blob_->blocks()) return fail(EINVAL, "{} has no block {}", blob_->digest().str(), block);
  // More than once where many want so much that what came for us made room for theirs.
  for (;;) {
    auto fetched = fetch(block, block + 1, patience);
    if (fetched) {
      std::vector<std::byte> bytes(blob_->bytes_of(block));
      if (TRY(blob_->read(block, bytes))) return bytes;
      return fail(EIO, "the disk does not keep a part of {}", blob_->digest().str());
    }
    if (!fetched.error().is(ENOSPC)) return std::move(fetched).error();
    if (auto bytes = spare_.find(blob_->digest(), block)) return *std::move(bytes);
    const Held lock(mutex_);
    if (no_ranges_) return std::move(fetched).error();
  }
}

void BlobFetch::expect_whole() {
  const Held lock(mutex_);
  whole_expected_ = true;
}

Result<bool> BlobFetch::comes_with_whole(std::uint64_t block) const {
  if (!whole_expected_) return false;
  const auto first = TRY(first_missing(0, block + 1, false));
  return first && block - first->first < kNear;
}

// Where only the whole can be had, somebody has been told to fetch it.
Result<void> BlobFetch::wait_for_whole(Held& lock, std::uint64_t first, std::chrono::milliseconds patience) {
  const auto failures = whole_failures_;
  lock.unlock();
  events_.needs_whole();
  lock.lock();
  auto until = Clock::now() + patience;
  for (std::uint64_t came = bytes_came_;;) {
    if (TRY(blob_->present(first, first + 1)).front()) return {};
    if (whole_failures_ != failures) return whole_failure_->clone();
    const bool timed_out = changed_.wait_until(lock, until) == std::cv_status::timeout;
    // It may be far ahead: slow is not dead.
    if (const auto now = bytes_came_.load(); now != came) {
      came = now;
      until = Clock::now() + patience;
    } else if (timed_out) {
      return fail(ETIMEDOUT, "nothing came for {} seconds", patience.count() / 1000);
    }
  }
}

// Of what is here already nothing is written anew: somebody may have read it, or be verifying it.
Result<void> BlobFetch::keep(std::uint64_t block, std::span<const std::byte> bytes, Spare spare, Stream& by) {
  const Held lock(mutex_);
  if (is_sealed_) return Error(ECANCELED);
  std::vector<std::byte> there(kBlock);
  if (!TRY(blob_->read(block, there))) {
    auto put = blob_->put(block, bytes);
    if (!put && spare == Spare::kept && takes_nothing(put.error())) {
      if (spare_.put(blob_->digest(), block, bytes))
        log::warn("keeping a part of {}: {}; until there is room, what is read is fetched each time and kept in memory", blob_->digest().str(), put.error().message());
      if (++by.spared == kMostSpared && block + 1 < by.end) return no_room(blob_->digest());
    } else {
      TRY_WITHIN(std::move(put), "keeping a part of {}", blob_->digest().str());
    }
  }
  by.next = block + 1;
  changed_.notify_all();
  return {};
}

// Without the lock while it reads.
Result<void> BlobFetch::stream(Held& lock, Run run, Spare spare, const std::function<bool()>& goes_on) {
  Stream mine{run.first, run.end};
  streams_.push_back(&mine);
  lock.unlock();
  Blocks blocks(*blob_, run.first);
  bool stopped = false;
  const auto ended = places_->read(
      run.first * kBlock, std::min(run.end * kBlock, blob_->size()),
      [&](std::uint64_t offset, std::span<const std::byte> bytes) -> Result<bool> {
        if (offset != blocks.next_byte()) return fail(EBADMSG, "bytes of {} come out of order", blob_->digest().str());
        bytes_came_ += bytes.size();
        TRY(blocks.add(bytes, [&](std::uint64_t block, std::span<const std::byte> whole) { return keep(block, whole, spare, mine); }));
        stopped = !goes_on();
        return !stopped;
      });
  lock.lock();
  std::erase(streams_, &mine);
  if (ended && *ended == RangeEnd::no_ranges) no_ranges_ = true;
  changed_.notify_all();
  if (!ended) return ended.error().clone();
  return stopped ? Error(ECANCELED) : Result<void>();
}

// All that is missing, until no stream is under way.
Result<void> BlobFetch::bring_all(Held& lock, const std::function<bool()>& goes_on) {
  auto pause = kFirstPause;
  for (int in_vain = 0;;) {
    const auto missing = TRY(first_missing(0, blob_->blocks(), false));
    if (!missing && streams_.empty()) return {};
    if (!goes_on()) return Error(ECANCELED);
    if (!missing || who_brings(missing->first) != nullptr) {
      changed_.wait_for(lock, kLongestPause);
      continue;
    }
    // From its beginning, where that is all that can be had: what is here comes again.
    const bool from_the_beginning = no_ranges_;
    const Run run = from_the_beginning ? Run{0, blob_->blocks()} : cut_at_others(*missing);
    const auto before = TRY(blob_->present_bytes());
    whole_expected_ = false;  // it begins
    auto streamed = stream(lock, run, Spare::refused, goes_on);
    if (!streamed && !is_transient(streamed.error())) return streamed;
    if (TRY(blob_->present_bytes()) != before) {
      in_vain = 0;
      pause = kFirstPause;
      continue;
    }
    if (from_the_beginning != no_ranges_) continue;  // now we know
    if (!streamed && (!no_ranges_ || ++in_vain == kMostInVain)) return streamed;
    if (streamed && ++in_vain == kMostInVain)
      return fail(ECONNRESET, "what the registry sends for {} brings nothing new", blob_->digest().str());
    changed_.wait_for(lock, pause);
    pause = std::min(2 * pause, kLongestPause);
  }
}

Result<void> BlobFetch::complete(const std::function<bool()>& goes_on) {
  auto work = [&]() -> Result<void> {
    for (int torn = 0, wrong = 0;;) {
      Held lock(mutex_);
      is_sealed_ = false;
      changed_.notify_all();
      TRY(put_spare(0, blob_->blocks()));
      TRY(bring_all(lock, goes_on));
      is_sealed_ = true;
      lock.unlock();
      switch (TRY(verify(goes_on))) {
        case Verdict::right: return {};
        case Verdict::torn:
          if (++torn == kMostInVain) return fail(EIO, "the disk does not keep a part of {}", blob_->digest().str());
          break;
        case Verdict::wrong:
          TRY(blob_->forget_all());
          places_->distrust();
          if (++wrong == 2)
            return fail(EBADMSG, "what the registry sends for {} is something else, twice", blob_->digest().str());
          log::warn("what the registry sent for {} is something else; it is fetched again", blob_->digest().str());
      }
    }
  };
  auto done = work();
  const Held lock(mutex_);
  whole_expected_ = false;
  if (!done) is_sealed_ = false;
  // One that gave way is taken up by others.
  if (!done && !done.error().is(ECANCELED)) {
    ++whole_failures_;
    whole_failure_ = done.error().clone();
  }
  changed_.notify_all();
  return done;
}

// With nobody writing. A block that is damaged on the disk is one that is not there.
Result<BlobFetch::Verdict> BlobFetch::verify(const std::function<bool()>& goes_on) const {
  Hasher sha(blob_->digest().algorithm());
  std::vector<std::byte> bytes(kBlock);
  for (std::uint64_t block = 0; block < blob_->blocks(); ++block) {
    if (!goes_on()) return Error(ECANCELED);
    if (!TRY(blob_->read(block, bytes))) {
      TRY(blob_->forget(block));
      return Verdict::torn;
    }
    sha.update(std::span(bytes).first(blob_->bytes_of(block)));
  }
  return sha.finish() == blob_->digest() ? Verdict::right : Verdict::wrong;
}

}  // namespace acetate::registry
