#include "layers/registry/fetcher/work.h"

#include <fcntl.h>

#include <system_error>
#include <utility>

#include "base/log.h"
#include "base/sys/file.h"

namespace acetate::registry {

namespace {

using Clock = std::chrono::steady_clock;
constexpr int kSideBySide = 6;  // as pulls have it
constexpr std::chrono::milliseconds kLook{100};
constexpr int kMostAhead = 16;
constexpr std::chrono::milliseconds kAheadPatience{10000};
constexpr std::chrono::seconds kNextTryForRoom{10};
// The layers of an image are opened one beside the other, and what is read first may lie in the one that is told of last.
constexpr std::chrono::milliseconds kGather{20};
// An answer that nobody takes anything of for long is one that breaks off.
constexpr std::chrono::milliseconds kLongestYield{1000};

bool has_no_room(const Error& error) { return error.is(ENOSPC) || error.is(EDQUOT); }

// What nobody waits for fills no disk to its end: others have a use for the rest, our own log among them.
constexpr std::uint64_t kLeftFree = std::uint64_t{16} << 20;
Result<void> check_room(const std::string& dir, const PartialBlob& blob) {
  const Fd folder = TRY_WITHIN(sys::open(dir, O_RDONLY | O_DIRECTORY), "opening {}", dir);
  const auto st = TRY_WITHIN(sys::statfs(folder.ref()), "looking at {}", dir);
  const auto left = static_cast<std::uint64_t>(st.f_bavail) * static_cast<std::uint64_t>(st.f_bsize), missing = blob.size() - TRY(blob.present_bytes());
  if (missing == 0 || left >= missing + kLeftFree) return {};
  return fail(ENOSPC, "the rest of {} has {} bytes, and {} are free", blob.digest().str(), missing, left);
}

}  // namespace

Work::Work(std::string dir, std::chrono::milliseconds quiet, Whole whole, Order order)
    : dir_(std::move(dir)), quiet_(quiet), whole_(std::move(whole)), order_(std::move(order)) {}

Result<void> Work::start() {
  const std::function<void()> soon = [this] { run(true); }, quiet = [this] { run(false); }, ahead = [this] { run_ahead(); };
  const std::pair<const std::function<void()>*, int> kinds[] = {{&soon, kSideBySide}, {&quiet, 1}, {&ahead, kMostAhead}};
  try {
    for (const auto& [work, most] : kinds) threads_.emplace_back(*work);
  } catch (const std::system_error& error) {
    return Error(error.code().value()).within("starting threads to fetch with");
  }
  try {
    for (const auto& [work, most] : kinds)
      for (int i = 1; i < most; ++i) threads_.emplace_back(*work);
  } catch (const std::system_error& error) {
    log::info("{} threads fetch, and there may be no more: {}", threads_.size(), error.what());
  }
  return {};
}

Work::~Work() {
  ending_ = true;
  {
    const std::lock_guard lock(mutex_);
    changed_.notify_all();
  }
  for (auto& thread : threads_) thread.join();
}

Result<std::shared_ptr<BlobFetch>> Work::find(const Digest& blob) {
  const std::lock_guard lock(mutex_);
  if (const auto known = entries_.find(blob); known != entries_.end()) {
    // Files that were made anew are others, and nobody reads those we have any more.
    if (known->second->is_running || TRY(known->second->fetch->blob().is_current(dir_))) return known->second->fetch;
    entries_.erase(known);
  }
  auto ticket = read_ticket(dir_, blob);
  if (!ticket && ticket.error().is(ENOENT)) return fail(ENOENT, "nobody has said where {} comes from", blob.str());
  if (!ticket) return std::move(ticket).error();
  auto partial = TRY_WITHIN(PartialBlob::open(dir_, blob), "opening what there is of {}", blob.str());
  if (partial->size() != ticket->blob.size) return fail(EBADMSG, "the ticket of {} speaks of another size", blob.str());
  FetchEvents events{.demand_begins =
                         [this] {
                           ++waiting_;
                           precedence_.begin();
                         },
                     .demand_ends =
                         [this] {
                           last_demand_ = Clock::now().time_since_epoch().count();
                           --waiting_;
                           precedence_.end();
                         },
                     .needs_whole =
                         [this, blob] {
                           if (const auto fetch = find(blob)) want(*fetch, true);
                         }};
  auto entry = std::make_shared<Entry>();
  entry->fetch = std::make_shared<BlobFetch>(
      std::move(partial), std::make_unique<BlobPlaces>(pool_, *std::move(ticket), [this, blob] { return read_ticket(dir_, blob); }), spare_, std::move(events));
  entries_[blob] = entry;
  return entry->fetch;
}

Result<void> Work::fetch(BlobFetch& fetch, std::uint64_t first, std::uint64_t end, std::chrono::milliseconds patience) {
  {
    const std::lock_guard lock(mutex_);
    const bool is_gathering = std::exchange(gather_until_, Clock::time_point()) > Clock::now();
    if (ahead_.wanted(fetch.blob().digest(), first, end) || is_gathering) changed_.notify_all();
  }
  return fetch.fetch(first, end, patience);
}

Result<std::vector<std::byte>> Work::lend(BlobFetch& fetch, std::uint64_t block, std::chrono::milliseconds patience) {
  last_demand_ = Clock::now().time_since_epoch().count();  // perhaps of what memory has: nothing is fetched for it
  return fetch.lend(block, patience);
}

void Work::want(const std::shared_ptr<BlobFetch>& fetch, bool soon) {
  std::unique_lock lock(mutex_);
  const auto found = entries_.find(fetch->blob().digest());
  if (found == entries_.end()) return;  // whole since it was found
  const auto kept = found->second;
  Entry& entry = *kept;
  if (!soon && !std::exchange(entry.is_ordered, true)) {
    lock.unlock();
    auto order = order_(*fetch);
    lock.lock();
    if (ahead_.is_idle()) gather_until_ = Clock::now() + kGather;
    ahead_.put(fetch->blob().digest(), std::move(order));
  }
  entry.state = State::wanted;
  // Whoever has just begun will soon want something.
  if (!soon) last_demand_ = Clock::now().time_since_epoch().count();
  if (soon) {
    entry.is_soon = true;  // one that runs quietly stops, and is taken up by those who hurry
    if (!entry.is_running) fetch->expect_whole();
  }
  changed_.notify_all();
}

Result<void> Work::wait(const std::shared_ptr<BlobFetch>& fetch) {
  std::unique_lock lock(mutex_);
  const auto found = entries_.find(fetch->blob().digest());
  if (found == entries_.end()) return {};
  const auto entry = found->second;
  changed_.wait(lock, [&] { return ending_ || entry->state == State::whole || entry->state == State::failed; });
  if (entry->state == State::whole) return {};
  if (entry->state == State::failed) return entry->failure->clone();
  return Error(ECANCELED);
}

bool Work::is_idle() const {
  const std::lock_guard lock(mutex_);
  for (const auto& [blob, entry] : entries_)
    if (entry->state == State::wanted && entry->is_soon) return false;
  return waiting_ == 0;
}

bool Work::is_quiet() const {
  if (waiting_ != 0) return false;
  const auto last = last_demand_.load();
  return last == 0 || Clock::now() - Clock::time_point(Clock::duration(last)) >= quiet_;
}

// Under the lock. Null: nothing to do now.
std::shared_ptr<Work::Entry> Work::next(bool soon) const {
  for (const auto& [blob, entry] : entries_)
    if (entry->state == State::wanted && entry->is_soon == soon && !entry->is_running && (soon || Clock::now() >= entry->not_before)) return entry;
  return nullptr;
}

// What is likely to be read. A thread for each piece that is fetched at a time.
void Work::run_ahead() {
  std::unique_lock lock(mutex_);
  const auto goes_on = [this] {
    precedence_.yield(kLongestYield);
    return !ending_.load();
  };
  while (!ending_) {
    if (Clock::now() < gather_until_) {
      changed_.wait_until(lock, gather_until_);
      continue;
    }
    const auto piece = ahead_.next(Clock::now());
    if (!piece) {
      changed_.wait(lock);
      continue;
    }
    const auto found = entries_.find(piece->blob);
    auto fetched = Result<void>(Error(ECANCELED));
    if (found != entries_.end() && found->second->state == State::wanted) {
      const auto fetch = found->second->fetch;
      lock.unlock();
      ++waiting_;
      fetched = fetch->fetch_ahead(piece->run.first, piece->run.end, kAheadPatience, goes_on);
      last_demand_ = Clock::now().time_since_epoch().count();
      --waiting_;
      lock.lock();
    }
    ahead_.came(*piece);
    // Whoever reads it hears of what is wrong.
    if (!fetched) {
      if (!fetched.error().is(ECANCELED)) log::info("{}", fetched.error().message());
      ahead_.forget(piece->blob);
    }
    changed_.notify_all();
  }
}

void Work::run(bool soon) {
  std::unique_lock lock(mutex_);
  while (!ending_) {
    const auto entry = soon || is_quiet() ? next(soon) : nullptr;
    if (entry == nullptr) {
      changed_.wait_for(lock, soon ? std::chrono::hours(1) : kLook);
      continue;
    }
    entry->is_running = true;
    lock.unlock();
    auto done = soon ? Result<void>() : check_room(dir_, entry->fetch->blob());
    if (done) done = entry->fetch->complete([&] { return !ending_ && (soon || (waiting_ == 0 && !entry->is_soon)); });
    bool is_in_store = false;
    if (done) {
      done = whole_(*entry->fetch);
      is_in_store = done || done.error().is(EBADMSG);  // the latter speaks of the index it was shown by
    }
    lock.lock();
    entry->is_running = false;
    // Should it be wanted once more after it has left the store again, that is another one.
    if (is_in_store) entries_.erase(entry->fetch->blob().digest());
    if (done) {
      entry->state = State::whole;
    } else if (!soon && !entry->is_soon && has_no_room(done.error())) {
      if (entry->not_before == Clock::time_point()) log::warn("{}; it is tried again when there may be room", done.error().message());
      entry->not_before = Clock::now() + kNextTryForRoom;
    } else if (!done.error().is(ECANCELED)) {
      log::warn("{}", done.error().message());
      entry->failure = std::move(done).error();
      entry->state = State::failed;
      entry->is_soon = false;
    }
    changed_.notify_all();
  }
}

}  // namespace acetate::registry
