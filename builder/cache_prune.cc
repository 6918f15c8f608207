// Housekeeping of the build cache. Nobody else has it open meanwhile, so that no build loses a layer that it was just told of.

#include "builder/cache_prune.h"

#include <fcntl.h>
#include <sys/file.h>

#include <algorithm>
#include <ctime>
#include <optional>

#include "base/log.h"
#include "base/sys/dir.h"
#include "base/sys/file.h"
#include "builder/cache.h"

namespace acetate::build {

namespace {

// What costs little and is made anew when it is asked for: thrown away all at once when there are so many.
constexpr std::int64_t kMostRows = 20'000;
constexpr std::int64_t kContentsKept = std::int64_t{30} * 24 * 3600;  // of layers that no step made: images'
constexpr int kDeepest = 200;

struct Item {
  std::int64_t used = 0;
  std::uint64_t bytes = 0;
  std::string layer = {};  // its diff id in hex, or
  std::string mount = {};  // the path of a cache mount
};

Result<std::vector<std::string>> names_in(const std::string& path) {
  std::vector<std::string> names;
  const auto dir = sys::open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  if (!dir && dir.error().is(ENOENT)) return names;
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

// Their locks' times say when they were used.
Result<void> add_mounts(const std::string& dir, std::vector<Item>& items) {
  for (const std::string& id : TRY(names_in(dir))) {
    for (const std::string& name : TRY(names_in(dir + "/" + id))) {
      if (name.ends_with(".lock")) continue;
      const std::string path = dir + "/" + id + "/" + name;
      const auto lock = sys::stat_following(path + ".lock");
      const auto opened = sys::open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
      items.push_back({.used = lock ? lock->st_mtim.tv_sec : 0, .bytes = opened ? bytes_below(opened->ref(), 0) : 0, .mount = path});
    }
  }
  return {};
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
};

// The files first: on a full disk a record cannot be removed before there is room. One without its file is no record (find()).
Result<void> remove(const Item& item, const std::string& dir, Database& database) {
  if (item.layer.empty()) {
    TRY_WITHIN(sys::remove_tree({kWorkingDir, item.mount.c_str()}), "removing the cache mount {}", item.mount);
    return remove_file(item.mount + ".lock");
  }
  TRY(remove_file(dir + "/layers/" + item.layer));
  TRY(remove_file(dir + "/contents/" + item.layer));
  return TRY(database.prepare("DELETE FROM records WHERE diff_id = ?")).bind("sha256:" + item.layer).done();
}

}  // namespace

Result<std::uint64_t> Cache::layer_bytes() {
  Statement select = TRY(database_.prepare("SELECT coalesce(sum(size), 0) FROM (SELECT DISTINCT diff_id, size FROM records WHERE diff_id IS NOT NULL)"));
  return TRY(select.step()) ? static_cast<std::uint64_t>(select.number(0)) : 0;
}

Result<Pruned> Cache::prune(const PruneOptions& options) {
  if (auto alone = sys::flock(lock_.ref(), LOCK_EX | (options.wait ? 0 : LOCK_NB)); !alone) {
    // The shared lock may be lost by asking for another.
    TRY_WITHIN(sys::flock(lock_.ref(), LOCK_SH), "locking the build cache {}", dir_);
    return std::move(alone).error().within("pruning the build cache " + dir_);
  }
  std::vector<Item> items;
  {
    Statement select = TRY(database_.prepare("SELECT diff_id, max(size), max(used) FROM records WHERE diff_id IS NOT NULL GROUP BY diff_id"));
    while (TRY(select.step())) {
      const Digest diff_id = TRY_WITHIN(Digest::parse(select.text(0)), "reading the build cache");
      items.push_back({.used = select.number(2), .bytes = static_cast<std::uint64_t>(select.number(1)), .layer = diff_id.hex()});
    }
  }
  TRY(add_mounts(dir_ + "/mounts", items));
  std::sort(items.begin(), items.end(), [](const Item& one, const Item& other) { return one.used < other.used; });
  Pruned pruned;
  for (const Item& item : items) pruned.left += item.bytes;

  std::set<std::string> layers_left;
  std::optional<Error> failure;  // the first; what cannot be removed is no reason to leave the rest
  for (const Item& item : items) {
    const bool goes = (options.max_bytes && pruned.left > *options.max_bytes) || (options.unused_since && item.used < *options.unused_since);
    if (!goes) {
      layers_left.insert(item.layer);
      continue;
    }
    if (auto removed = options.dry_run ? Result<void>() : remove(item, dir_, database_); !removed) {
      if (!failure) failure = std::move(removed).error();
      layers_left.insert(item.layer);
      continue;
    }
    pruned.left -= item.bytes;
    pruned.freed += item.bytes;
    ++(item.layer.empty() ? pruned.mounts : pruned.layers);
  }
  if (failure) log::warn("not all of the build cache that is to go can be removed: {}", failure->message());
  if (!options.dry_run) {
    if (options.unused_since)
      TRY(TRY(database_.prepare("DELETE FROM records WHERE used < ?")).bind(*options.unused_since).done());
    for (const char* sql : kOrphans) TRY_WITHIN(database_.execute(sql), "pruning the build cache");
    for (const char* table : {"trees", "places", "files"})
      TRY_WITHIN(database_.execute(fmt::format("DELETE FROM {0} WHERE (SELECT count(*) FROM {0}) > {1}", table, kMostRows).c_str()),
                 "pruning the build cache");
    // Left by builds that were killed.
    for (const std::string& name : TRY(names_in(dir_ + "/layers")))
      if (!layers_left.contains(name)) TRY(remove_file(dir_ + "/layers/" + name));
    const std::int64_t long_ago = static_cast<std::int64_t>(std::time(nullptr)) - kContentsKept;
    for (const std::string& name : TRY(names_in(dir_ + "/contents"))) {
      const std::string path = dir_ + "/contents/" + name;
      if (const auto stat = sys::stat_following(path); stat && stat->st_mtim.tv_sec < long_ago && !layers_left.contains(name)) TRY(remove_file(path));
    }
  }
  TRY_WITHIN(sys::flock(lock_.ref(), LOCK_SH), "locking the build cache {}", dir_);
  return pruned;
}

}  // namespace acetate::build
