#include "layers/image/store_lock.h"

#include <fcntl.h>
#include <sys/file.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <thread>
#include <utility>

#include "base/log.h"
#include "base/mutex.h"
#include "base/sys/file.h"

namespace acetate::image {

namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr const char *kLock = "/.acetate-lock", *kTurn = "/.acetate-turn";

// How long it is closed the first time, and at most; in between it is open for as long as it was closed.
constexpr milliseconds kFirstClosed{15'000}, kMostClosed{120'000};
// Longer than whoever closed it may: he was stopped, or what he has there is no lock.
constexpr milliseconds kMostPatience{180'000};
constexpr milliseconds kBeforeWords{2'000};

// flock(2) knows no time: looked at again and again. False when the time is over.
Result<bool> lock_within(FdRef file, int how, milliseconds time) {
  const auto until = Clock::now() + time;
  for (auto pause = milliseconds(2);; pause = std::min(2 * pause, milliseconds(50))) {
    auto locked = sys::flock(file, how | LOCK_NB);
    if (locked) return true;
    if (!locked.error().is(EWOULDBLOCK)) return std::move(locked).error();
    if (Clock::now() >= until) return false;
    std::this_thread::sleep_for(pause);
  }
}

using Identity = std::pair<dev_t, ino_t>;

// What this process holds.
class Held {
 public:
  static Held& by_us() {
    static Held held;
    return held;
  }
  bool has(const Identity& store) {
    const Lock lock(mutex_);
    return counts_.contains(store);
  }
  void add(const Identity& store) {
    const Lock lock(mutex_);
    ++counts_[store];
  }
  void remove(const Identity& store) {
    const Lock lock(mutex_);
    if (--counts_[store] == 0) counts_.erase(store);
  }

 private:
  Mutex mutex_;
  std::map<Identity, int> counts_ GUARDED_BY(mutex_);
};

Result<Fd> open_lock(const std::string& path, int flags) { return TRY_WITHIN(sys::open(path, flags, 0644), "opening {}", path); }

}  // namespace

// What goes wrong here costs others' fairness and nothing else, so it stops nobody.
void await_turn(const std::string& dir) {
  const auto turn = sys::open(dir + kTurn, O_RDONLY | O_NOFOLLOW);
  if (!turn) return;  // nobody ever waited here
  auto mine = lock_within(turn->ref(), LOCK_SH, kBeforeWords);
  if (!mine || *mine) return;
  log::warn("garbage of {} is to be collected when those who use it are done; waiting for that", dir);
  if (mine = lock_within(turn->ref(), LOCK_SH, kMostPatience); mine && !*mine) log::warn("garbage of {} is not collected yet; going on", dir);
}

Result<std::shared_ptr<const void>> hold_store(const std::string& dir, bool makes) {
  const std::string path = dir + kLock;
  auto file = sys::open(path, O_RDONLY | O_NOFOLLOW | (makes ? O_CREAT : 0), 0644);
  if (!file && !makes && (file.error().is(ENOENT) || file.error().is(EACCES))) return std::shared_ptr<const void>();
  if (!file) return std::move(file).error().within("opening " + path);
  const auto st = TRY_WITHIN(sys::stat(file->ref()), "looking at {}", path);
  const Identity store{st.st_dev, st.st_ino};
  if (!Held::by_us().has(store)) await_turn(dir);
  TRY_WITHIN(sys::flock(file->ref(), LOCK_SH), "locking {}", path);
  Held::by_us().add(store);
  // Unlocked by hand: a process that was forked meanwhile has the same lock, and perhaps no use for it.
  const auto release = [store](Fd* fd) {
    (void)sys::flock(fd->ref(), LOCK_UN);
    Held::by_us().remove(store);
    delete fd;
  };
  return std::shared_ptr<const void>(std::shared_ptr<Fd>(new Fd(*std::move(file)), release));
}

Result<Fd> take_store_alone(const std::string& dir, bool wait) {
  const std::string path = dir + kLock;
  Fd lock = TRY(open_lock(path, O_RDONLY | O_CREAT | O_NOFOLLOW));
  if (TRY_WITHIN(lock_within(lock.ref(), LOCK_EX, milliseconds(0)), "locking {}", path)) return lock;
  if (!wait) return Error(EWOULDBLOCK);
  const Fd turn = TRY(open_lock(dir + kTurn, O_RDONLY | O_CREAT | O_NOFOLLOW));
  for (auto closed = kFirstClosed;; closed = std::min(2 * closed, kMostClosed)) {
    TRY_WITHIN(sys::flock(turn.ref(), LOCK_EX), "locking {}{}", dir, kTurn);
    bool is_ours = TRY_WITHIN(lock_within(lock.ref(), LOCK_EX, closed), "locking {}", path);
    TRY_WITHIN(sys::flock(turn.ref(), LOCK_UN), "unlocking {}{}", dir, kTurn);
    if (!is_ours) is_ours = TRY_WITHIN(lock_within(lock.ref(), LOCK_EX, closed), "locking {}", path);
    if (is_ours) return lock;
  }
}

}  // namespace acetate::image
