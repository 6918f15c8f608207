// What the build cache keeps of the things steps looked at, and of trees.

#include "builder/cache.h"

#include <algorithm>
#include <map>

namespace acetate::build {

namespace {

constexpr int kMostReads = 8;  // of one step

Result<Digest> parse_hex(const std::string& hex) { return Digest::parse("sha256:" + hex); }

}  // namespace

Result<std::vector<Cache::Kept>> Cache::kept(const std::set<Digest>& keys) {
  const std::lock_guard lock(*mutex_);
  std::map<Digest, std::set<Digest>> wanted;  // each with those of `keys` that come to the same
  for (const Digest& first : keys) {
    wanted.try_emplace(first);
    Statement select = TRY(database_.prepare("SELECT key FROM others WHERE first = ?"));
    select.bind(first.hex());
    while (TRY(select.step())) wanted[TRY_WITHIN(parse_hex(select.text(0)), "reading the build cache")].insert(first);
  }
  std::vector<std::pair<std::int64_t, Kept>> all;
  for (auto& [key, firsts] : wanted) {
    // Nobody uses them by this, and one whose layer has not been got stays for who asks for it.
    std::optional<CachedLayer> missing;
    auto record = TRY(find_locked(key, false, &missing));
    if (!record) continue;
    Kept kept{.key = key, .record = *std::move(record), .firsts = std::move(firsts)};
    Statement step = TRY(database_.prepare("SELECT step FROM steps WHERE key = ?"));
    if (TRY(step.bind(key.hex()).step())) kept.step = TRY_WITHIN(parse_hex(step.text(0)), "reading the build cache");
    std::int64_t id = 0;
    if (kept.step) {
      Statement reads = TRY(database_.prepare("SELECT id, paths FROM reads WHERE step = ? AND key = ?"));
      if (TRY(reads.bind(kept.step->hex()).bind(key.hex()).step())) {
        id = reads.number(0);
        if (auto paths = parse_access_log(reads.text(1))) kept.paths = *std::move(paths);
      }
    }
    all.emplace_back(id, std::move(kept));
  }
  std::stable_sort(all.begin(), all.end(), [](const auto& one, const auto& other) { return one.first > other.first; });
  std::vector<Kept> sorted;
  for (auto& [id, kept] : all) sorted.push_back(std::move(kept));
  return sorted;
}

Result<void> Cache::add_foreign(const std::vector<Kept>& records) {
  const std::lock_guard lock(*mutex_);
  auto transaction = TRY(Transaction::begin(database_));
  for (const Kept& kept : records) {
    static_cast<void>(TRY(find_locked(kept.key, false)));  // forgets one that has lost its layer
    TRY(insert_locked(kept.key, kept.record, Conflict::keep, kNeverUsed));
    for (const Digest& first : kept.firsts)
      TRY(TRY(database_.prepare("INSERT OR IGNORE INTO others(first, key) VALUES(?, ?)")).bind(first.hex()).bind(kept.key.hex()).done());
    if (kept.step) TRY(add_step_locked(*kept.step, kept.key));
    if (kept.step && kept.paths) TRY(add_older_reads_locked(*kept.step, kept.key, *kept.paths));
  }
  return transaction.commit();
}

Result<bool> Cache::knows_step(const Digest& step) {
  const std::lock_guard lock(*mutex_);
  return TRY(database_.prepare("SELECT 1 FROM steps WHERE step = ?")).bind(step.hex()).step();
}

Result<void> Cache::add_step(const Digest& step, const Digest& key) {
  const std::lock_guard lock(*mutex_);
  return add_step_locked(step, key);
}

Result<void> Cache::add_step_locked(const Digest& step, const Digest& key) {
  return TRY(database_.prepare("INSERT OR IGNORE INTO steps(step, key) VALUES(?, ?)")).bind(step.hex()).bind(key.hex()).done();
}

Result<void> Cache::forget_step(const Digest& step) {
  const std::lock_guard lock(*mutex_);
  auto transaction = TRY(Transaction::begin(database_));
  for (const char* sql : {"DELETE FROM records WHERE key IN (SELECT key FROM steps WHERE step = ?)", "DELETE FROM steps WHERE step = ?",
                          "DELETE FROM reads WHERE step = ?"})
    TRY(TRY(database_.prepare(sql)).bind(step.hex()).done());
  return transaction.commit();
}

Result<std::vector<Reads>> Cache::reads(const Digest& step) {
  const std::lock_guard lock(*mutex_);
  Statement select = TRY(database_.prepare("SELECT paths, seen FROM reads WHERE step = ? ORDER BY id DESC"));
  select.bind(step.hex());
  std::vector<Reads> all;
  while (TRY(select.step())) {
    auto paths = parse_access_log(select.text(0));
    auto seen = KeyInputs::from_json(select.text(1));
    if (paths && seen) all.push_back({*std::move(paths), *std::move(seen)});  // damaged: a miss, as if it were not there
  }
  return all;
}

Result<void> Cache::add_reads(const Digest& step, const Digest& key, const Reads& reads) {
  const std::lock_guard lock(*mutex_);
  auto transaction = TRY(Transaction::begin(database_));
  const std::string paths = format_access_log(reads.paths);
  // The same paths again: the latest counts.
  TRY(TRY(database_.prepare("DELETE FROM reads WHERE step = ? AND paths = ?")).bind(step.hex()).bind(paths).done());
  TRY(TRY(database_.prepare("INSERT INTO reads(step, key, paths, seen) VALUES(?, ?, ?, ?)"))
          .bind(step.hex())
          .bind(key.hex())
          .bind(paths)
          .bind(reads.seen.to_json())
          .done());
  TRY(TRY(database_.prepare("DELETE FROM reads WHERE step = ?1 AND id NOT IN (SELECT id FROM reads WHERE step = ?1 ORDER BY id DESC LIMIT ?2)"))
          .bind(step.hex())
          .bind(std::int64_t{kMostReads})
          .done());
  return transaction.commit();
}

Result<void> Cache::add_older_reads_locked(const Digest& step, const Digest& key, const AccessedPaths& accessed) {
  const std::string paths = format_access_log(accessed);
  return TRY(database_.prepare(R"(
           INSERT INTO reads(id, step, key, paths, seen)
             SELECT (SELECT coalesce(min(id), 0) - 1 FROM reads), ?1, ?2, ?3, '[]'
             WHERE NOT EXISTS (SELECT 1 FROM reads WHERE step = ?1 AND paths = ?3)
               AND (SELECT count(*) FROM reads WHERE step = ?1) < ?4)"))
      .bind(step.hex())
      .bind(key.hex())
      .bind(paths)
      .bind(std::int64_t{kMostReads})
      .done();
}

Result<std::optional<Digest>> Cache::tree_digest(const Digest& chain) {
  const std::lock_guard lock(*mutex_);
  Statement select = TRY(database_.prepare("SELECT digest FROM trees WHERE chain = ?"));
  if (!TRY(select.bind(chain.hex()).step())) return std::optional<Digest>();
  return std::optional(TRY_WITHIN(Digest::parse(select.text(0)), "reading the build cache"));
}

Result<void> Cache::set_tree_digest(const Digest& chain, const Digest& digest) {
  const std::lock_guard lock(*mutex_);
  return TRY(database_.prepare("INSERT OR REPLACE INTO trees(chain, digest) VALUES(?, ?)")).bind(chain.hex()).bind(digest.str()).done();
}

}  // namespace acetate::build
