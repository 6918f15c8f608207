// Housekeeping of the build cache. Nobody else has it open meanwhile, so that no build loses a layer that it was just told of.

#include "builder/cache_prune.h"

#include <fcntl.h>
#include <sys/file.h>

#include <algorithm>
#include <ctime>
#include <optional>

#include "base/log.h"
#include "base/scope.h"
#include "base/sys/dir.h"
#include "base/sys/file.h"
#include "builder/cache.h"

namespace acetate::build {

namespace {

// What costs little and is made anew when it is asked for: thrown away all at once when there are so many.
constexpr std::int64_t kMostRows = 20'000;
constexpr std::int64_t kContentsKept = std::int64_t{30} * 24 * 3600;  // of layers that no step made: images'
constexpr int kDeepest = 200;
// Looking through a cache mount takes long; one that is used daily is looked through daily.
constexpr std::int64_t kMeasuredWithin = std::int64_t{24} * 3600;

struct Item {
  std::int64_t used = 0;   // what was used longest ago goes first,
  std::int64_t since = 0;  // and this is how long nobody has wanted it
  std::uint64_t bytes = 0;
  std::string layer = {};  // its diff id in hex, or
  std::string mount = {};  // the path of a cache mount
};

Result<std::vector<std::string>> names_in(const std::string& path) {
  std::vector<std::string> names;
  const auto dir = sys::open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  if (!dir && (dir.error().is(ENOENT) || dir.error().is(ENOTDIR))) return names;  // a stray file has none
  if (!dir) return dir.error().clone().within("reading " + path);
  TRY_WITHIN(sys::read_dir(dir->ref(), [&](const sys::DirEntry& entry) {
    names.emplace_back(entry.name);
    return true;
  }), "reading {}", path);
  return names;
}

std::uint64_t bytes_below(FdRef dir, int depth) {
  std::uint64_t bytes = 0;
  std::vector<std::string> names;
  // An estimate: what cannot be read is not counted.
  static_cast<void>(sys::read_dir(dir, [&](const sys::DirEntry& entry) {
    names.emplace_back(entry.name);
    return true;
  }).has_value());
  for (const std::string& name : names) {
    const auto stat = sys::stat(FileAt{dir, name.c_str()});
    if (!stat) continue;
    bytes += static_cast<std::uint64_t>(stat->st_blocks) * 512;
    if (!S_ISDIR(stat->st_mode) || depth == kDeepest) continue;
    if (const auto below = sys::open(FileAt{dir, name.c_str()}, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)) bytes += bytes_below(below->ref(), depth + 1);
  }
  return bytes;
}

// A cache mount, and when it was used: its lock's time says so.
struct MountDir {
  std::string path;
  std::int64_t used = 0;
};

Result<std::vector<MountDir>> mounts_in(const std::string& dir) {
  std::vector<MountDir> mounts;
  for (const std::string& id : TRY(names_in(dir))) {
    for (const std::string& name : TRY(names_in(dir + "/" + id))) {
      if (name.ends_with(".lock")) continue;
      std::string path = dir + "/" + id + "/" + name;
      const auto lock = sys::stat_following(path + ".lock");
      mounts.push_back({.path = std::move(path), .used = lock ? lock->st_mtim.tv_sec : 0});
    }
  }
  return mounts;
}

Result<void> remove_file(const std::string& path) {
  auto removed = sys::unlink({kWorkingDir, path.c_str()});
  if (!removed && !removed.error().is(ENOENT)) return std::move(removed).error().within("removing " + path);
  return {};
}

// Rows that stand for nothing any more.
constexpr const char* kOrphans[] = {
    "DELETE FROM others WHERE key NOT IN (SELECT key FROM records) OR first NOT IN (SELECT key FROM records)",
    "DELETE FROM steps WHERE key NOT IN (SELECT key FROM records)",
    "DELETE FROM reads WHERE key NOT IN (SELECT key FROM records)",
    "DELETE FROM packs WHERE diff_id NOT IN (SELECT diff_id FROM records WHERE diff_id IS NOT NULL)",
    "DELETE FROM mounts",  // some of them are gone: the rest is measured again
};

// Its files; records of it are no records any more (find()). In this order because on a full disk a record cannot be removed before
// there is room.
Result<void> remove_files(const Item& item, const std::string& dir) {
  if (item.layer.empty()) {
    TRY_WITHIN(sys::remove_tree({kWorkingDir, item.mount.c_str()}), "removing the cache mount {}", item.mount);
    return remove_file(item.mount + ".lock");
  }
  TRY(remove_file(dir + "/layers/" + item.layer));
  return remove_file(dir + "/contents/" + item.layer);
}

std::int64_t now() { return static_cast<std::int64_t>(std::time(nullptr)); }

}  // namespace

// Errors of the database cost a second look next time, and nothing else.
std::uint64_t Cache::measure_mount_locked(const std::string& path) {
  const auto opened = sys::open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  const std::uint64_t bytes = opened ? bytes_below(opened->ref(), 0) : 0;
  if (auto insert = database_.prepare("INSERT OR REPLACE INTO mounts(path, bytes, measured) VALUES(?, ?, ?)"))
    static_cast<void>(insert->bind(path).bind(static_cast<std::int64_t>(bytes)).bind(now()).done().has_value());
  return bytes;
}

// As it was measured last, where that was not long ago, or after it was used (by a step that ran for no more than a day).
std::uint64_t Cache::mount_bytes_locked(const std::string& path, std::int64_t used) {
  if (auto select = database_.prepare("SELECT bytes, measured FROM mounts WHERE path = ?")) {
    const auto known = select->bind(path).step();
    const std::int64_t measured = known && *known ? select->number(1) : 0;
    if (measured >= now() - kMeasuredWithin || measured >= used + kMeasuredWithin)
      return static_cast<std::uint64_t>(select->number(0));
  }
  return measure_mount_locked(path);
}

Result<std::uint64_t> Cache::bytes() {
  std::uint64_t bytes = 0;
  for (const std::string& name : TRY(names_in(dir_ + "/layers")))
    if (const auto stat = sys::stat(FileAt{layer_dir_.ref(), name.c_str()})) bytes += static_cast<std::uint64_t>(stat->st_size);
  const std::lock_guard lock(*mutex_);
  for (const MountDir& mount : TRY(mounts_in(dir_ + "/mounts"))) bytes += mount_bytes_locked(mount.path, mount.used);
  return bytes;
}

// All rows at once: a commit waits for the disk.
Result<void> Cache::forget_layers_locked(const std::vector<std::string>& gone, std::optional<std::int64_t> unused_since) {
  auto transaction = TRY(Transaction::begin(database_));
  for (const std::string& layer : gone) TRY(TRY(database_.prepare("DELETE FROM records WHERE diff_id = ?")).bind("sha256:" + layer).done());
  // What was taken in and not used yet has no time; with a layer it goes with that.
  if (unused_since) TRY(TRY(database_.prepare("DELETE FROM records WHERE used < ? AND used != ?")).bind(*unused_since).bind(kNeverUsed).done());
  TRY(TRY(database_.prepare("DELETE FROM records WHERE diff_id IS NULL AND key NOT IN "
                            "(SELECT key FROM records WHERE diff_id IS NULL ORDER BY used DESC LIMIT ?)"))
          .bind(kMostRows)
          .done());
  for (const char* sql : kOrphans) TRY(database_.execute(sql));
  for (const char* table : {"trees", "places", "files"})
    TRY(database_.execute(fmt::format("DELETE FROM {0} WHERE (SELECT count(*) FROM {0}) > {1}", table, kMostRows).c_str()));
  return transaction.commit();
}

Result<Pruned> Cache::prune(const PruneOptions& options) {
  // Who only tells changes nothing, and is in nobody's way.
  if (auto alone = sys::flock(lock_.ref(), (options.dry_run ? LOCK_SH : LOCK_EX) | (options.wait ? 0 : LOCK_NB)); !alone) {
    // The shared lock may be lost by asking for another.
    TRY_WITHIN(sys::flock(lock_.ref(), LOCK_SH), "locking the build cache {}", dir_);
    return std::move(alone).error().within("pruning the build cache " + dir_);
  }
  Undo shared_again{[&] { static_cast<void>(sys::flock(lock_.ref(), LOCK_SH).has_value()); }};
  const std::lock_guard lock(*mutex_);
  std::vector<Item> items;
  {
    Statement select = TRY(database_.prepare("SELECT diff_id, max(size), max(used) FROM records WHERE diff_id IS NOT NULL GROUP BY diff_id"));
    while (TRY(select.step())) {
      const Digest diff_id = TRY_WITHIN(Digest::parse(select.text(0)), "reading the build cache");
      items.push_back({.used = select.number(2), .bytes = static_cast<std::uint64_t>(select.number(1)), .layer = diff_id.hex()});
      items.back().since = items.back().used;
      // One of another machine's that was never asked for is not here.
      if (!sys::stat(FileAt{layer_dir_.ref(), items.back().layer.c_str()})) items.back().bytes = 0;
      // Taken in from elsewhere, and not used yet: as old as its file.
      if (items.back().used == kNeverUsed)
        if (const auto stat = sys::stat(FileAt{layer_dir_.ref(), items.back().layer.c_str()})) items.back().since = stat->st_mtim.tv_sec;
    }
  }
  for (const MountDir& mount : TRY(mounts_in(dir_ + "/mounts")))
    items.push_back({.used = mount.used, .since = mount.used, .bytes = measure_mount_locked(mount.path), .mount = mount.path});
  std::sort(items.begin(), items.end(), [](const Item& one, const Item& other) { return one.used < other.used; });
  Pruned pruned;
  for (const Item& item : items) pruned.left += item.bytes;

  std::set<std::string> layers_left;
  std::vector<std::string> gone;
  std::optional<Error> failure;  // the first; what cannot be removed is no reason to leave the rest
  for (const Item& item : items) {
    const bool goes = (options.max_bytes && pruned.left > *options.max_bytes) || (options.unused_since && item.since < *options.unused_since);
    if (!goes) {
      layers_left.insert(item.layer);
      continue;
    }
    if (auto removed = options.dry_run ? Result<void>() : remove_files(item, dir_); !removed) {
      if (!failure) failure = std::move(removed).error();
      layers_left.insert(item.layer);
      continue;
    }
    if (!item.layer.empty()) gone.push_back(item.layer);
    pruned.left -= item.bytes;
    pruned.freed += item.bytes;
    ++(item.layer.empty() ? pruned.mounts : pruned.layers);
  }
  if (!options.dry_run) {
    // Left by builds that were killed.
    for (const std::string& name : TRY(names_in(dir_ + "/layers")))
      if (!layers_left.contains(name))
        if (auto removed = remove_file(dir_ + "/layers/" + name); !removed && !failure) failure = std::move(removed).error();
    const std::int64_t long_ago = now() - kContentsKept;
    for (const std::string& name : TRY(names_in(dir_ + "/contents"))) {
      const std::string path = dir_ + "/contents/" + name;
      if (const auto stat = sys::stat_following(path); stat && stat->st_mtim.tv_sec < long_ago && !layers_left.contains(name))
        if (auto removed = remove_file(path); !removed && !failure) failure = std::move(removed).error();
    }
    auto forgotten = forget_layers_locked(gone, options.unused_since);
    // On a full disk that may need more room than a small layer gave back. A record without its layer is none.
    if (!forgotten && forgotten.error().is(ENOSPC)) log::info("what the build cache knew of them is forgotten when there is room: {}", forgotten.error().message());
    else TRY_WITHIN(std::move(forgotten), "pruning the build cache");
  }
  if (failure) log::warn("not all of the build cache that is to go can be removed: {}", failure->message());
  shared_again.release();
  TRY_WITHIN(sys::flock(lock_.ref(), LOCK_SH), "locking the build cache {}", dir_);
  return pruned;
}

}  // namespace acetate::build
