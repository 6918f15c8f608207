// What the build cache keeps of the things steps looked at, and of trees.

#include "builder/cache.h"

namespace acetate::build {

namespace {

constexpr int kMostReads = 8;  // of one step

}  // namespace

Result<std::vector<Cache::Kept>> Cache::kept(const std::set<Digest>& keys, const std::set<Digest>& layers) {
  std::vector<Kept> all;
  Statement select = TRY(database_.prepare("SELECT key, diff_id, size, clock, inputs FROM records"));
  while (TRY(select.step())) {
    Kept kept{.inputs = {}, .record = {.clock = select.number(3)}};
    const Digest key = TRY_WITHIN(Digest::parse("sha256:" + select.text(0)), "reading the build cache");
    bool wanted = keys.contains(key);
    if (!select.is_null(1)) {
      const Digest diff_id = TRY_WITHIN(Digest::parse(select.text(1)), "reading the build cache");
      wanted = wanted || layers.contains(diff_id);
      kept.record.layer = CachedLayer{diff_id, static_cast<std::uint64_t>(select.number(2))};
    }
    auto inputs = KeyInputs::from_json(select.text(4));
    // One whose inputs are not text is of no use to anybody else: nobody else comes to its key.
    if (!wanted || !inputs || inputs->digest() != key) continue;
    kept.inputs = *std::move(inputs);
    all.push_back(std::move(kept));
  }
  return all;
}

Result<std::vector<Reads>> Cache::reads(const Digest& step) {
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

Result<void> Cache::add_reads(const Digest& step, const Reads& reads) {
  const std::string paths = format_access_log(reads.paths);
  // The same paths again: the latest counts.
  TRY(TRY(database_.prepare("DELETE FROM reads WHERE step = ? AND paths = ?")).bind(step.hex()).bind(paths).done());
  TRY(TRY(database_.prepare("INSERT INTO reads(step, paths, seen) VALUES(?, ?, ?)"))
          .bind(step.hex())
          .bind(paths)
          .bind(reads.seen.to_json())
          .done());
  return TRY(database_.prepare("DELETE FROM reads WHERE step = ?1 AND id NOT IN (SELECT id FROM reads WHERE step = ?1 ORDER BY id DESC LIMIT ?2)"))
      .bind(step.hex())
      .bind(std::int64_t{kMostReads})
      .done();
}

Result<bool> Cache::knows_step(const Digest& step) {
  return TRY(database_.prepare("SELECT 1 FROM steps WHERE step = ?")).bind(step.hex()).step();
}

Result<void> Cache::add_step(const Digest& step) {
  return TRY(database_.prepare("INSERT OR IGNORE INTO steps(step) VALUES(?)")).bind(step.hex()).done();
}

Result<std::optional<Digest>> Cache::tree_digest(const Digest& chain) {
  Statement select = TRY(database_.prepare("SELECT digest FROM trees WHERE chain = ?"));
  if (!TRY(select.bind(chain.hex()).step())) return std::optional<Digest>();
  return std::optional(TRY_WITHIN(Digest::parse(select.text(0)), "reading the build cache"));
}

Result<void> Cache::set_tree_digest(const Digest& chain, const Digest& digest) {
  return TRY(database_.prepare("INSERT OR REPLACE INTO trees(chain, digest) VALUES(?, ?)")).bind(chain.hex()).bind(digest.str()).done();
}

}  // namespace acetate::build
