#include "builder/cache.h"

#include <fcntl.h>
#include <sys/file.h>

#include <ctime>

#include "base/log.h"
#include "base/sys/file.h"
#include "base/sys/local_fs.h"

namespace acetate::build {

namespace {

// Raised whenever tables change their meaning.
constexpr std::int64_t kVersion = 4;

constexpr const char* kTables[] = {"records", "others", "steps", "trees", "reads", "places", "packs", "files", "mounts"};

constexpr const char* kSchema = R"(
  CREATE TABLE IF NOT EXISTS records(
    key TEXT PRIMARY KEY, diff_id TEXT, size INTEGER, clock INTEGER NOT NULL, used INTEGER NOT NULL) WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS records_by_layer ON records(diff_id);
  CREATE TABLE IF NOT EXISTS others(first TEXT NOT NULL, key TEXT NOT NULL, PRIMARY KEY(first, key)) WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS others_by_key ON others(key);
  CREATE TABLE IF NOT EXISTS steps(step TEXT NOT NULL, key TEXT NOT NULL, PRIMARY KEY(step, key)) WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS steps_by_key ON steps(key);
  CREATE TABLE IF NOT EXISTS trees(chain TEXT PRIMARY KEY, digest TEXT NOT NULL) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS reads(id INTEGER PRIMARY KEY, step TEXT NOT NULL, key TEXT NOT NULL, paths TEXT NOT NULL, seen TEXT NOT NULL);
  CREATE INDEX IF NOT EXISTS reads_by_step ON reads(step, id);
  CREATE TABLE IF NOT EXISTS places(place TEXT PRIMARY KEY, inputs TEXT NOT NULL) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS packs(
    diff_id TEXT NOT NULL, how TEXT NOT NULL, digest TEXT NOT NULL, size INTEGER NOT NULL, media_type TEXT NOT NULL,
    PRIMARY KEY(diff_id, how)) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS files(
    file TEXT PRIMARY KEY, digest TEXT NOT NULL, diff_id TEXT NOT NULL, media_type TEXT NOT NULL) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS mounts(path TEXT PRIMARY KEY, bytes INTEGER NOT NULL, measured INTEGER NOT NULL) WITHOUT ROWID;
)";

constexpr std::int64_t kUsedWithin = 3600;

std::int64_t now() { return static_cast<std::int64_t>(std::time(nullptr)); }

Result<std::int64_t> version_of(Database& database) {
  Statement select = TRY(database.prepare("PRAGMA user_version"));
  return TRY(select.step()) ? select.number(0) : 0;
}

// What is on record for a step is written without waiting for the disk: a power cut loses the latest records, and their steps are done
// again. A record that is there after it is good, since its layer was on the disk before it was written.
Result<Database> open_records(const std::string& path, bool is_local) {
  Database database = TRY(Database::open(path, is_local ? Database::Journal::ahead : Database::Journal::rollback));
  if (TRY(version_of(database)) == kVersion) return database;
  {
    auto transaction = TRY(Transaction::begin(database));
    // Somebody else may have begun it meanwhile, and put something in.
    if (TRY(version_of(database)) != kVersion) {
      std::string text;
      for (const char* table : kTables) text += fmt::format("DROP TABLE IF EXISTS {};", table);
      text += kSchema + fmt::format("PRAGMA user_version = {}", kVersion);
      TRY(database.execute(text.c_str()));
    }
    TRY(transaction.commit());
  }
  return database;
}

// A cache whose records are damaged is an empty one: what it knew is built again. Put aside, and only by who is alone with it, so that
// nobody who has them open goes on writing into what is gone. `lock` is held shared before, and after a success.
Result<void> put_aside(const std::string& dir, const Fd& lock, const Error& why) {
  if (auto alone = sys::flock(lock.ref(), LOCK_EX | LOCK_NB); !alone) {
    if (!alone.error().is(EWOULDBLOCK)) return alone;
    return fail(why.code(), "{}; another build is using it: begin again when that has ended", why.message());
  }
  const std::string records = dir + "/records.db";
  // What a journal has belongs to the file that is damaged.
  for (const char* rest : {"-journal", "-wal", "-shm"})
    if (auto gone = sys::unlink({kWorkingDir, (records + rest).c_str()}); !gone && !gone.error().is(ENOENT)) return gone;
  TRY(sys::rename({kWorkingDir, records.c_str()}, {kWorkingDir, (records + ".damaged").c_str()}));
  log::warn("the build cache begins anew, since its records are damaged ({}); they are kept as {}.damaged", why.message(), records);
  return sys::flock(lock.ref(), LOCK_SH);
}

}  // namespace

Result<Cache> Cache::open(const std::string& dir) {
  TRY_WITHIN(sys::make_dirs(dir + "/layers", 0700), "making the build cache {}", dir);
  TRY_WITHIN(sys::make_dirs(dir + "/contents", 0700), "making the build cache {}", dir);
  Fd layer_dir = TRY_WITHIN(sys::open(dir + "/layers", O_RDONLY | O_DIRECTORY), "opening the build cache {}", dir);
  Fd lock = TRY_WITHIN(sys::open(dir + "/lock", O_RDWR | O_CREAT | O_NOFOLLOW, 0600), "opening the build cache {}", dir);
  if (auto locked = sys::flock(lock.ref(), LOCK_SH | LOCK_NB); !locked) {
    if (locked.error().is(EWOULDBLOCK)) log::warn("waiting for somebody who prunes the build cache {}", dir);
    TRY_WITHIN(sys::flock(lock.ref(), LOCK_SH), "locking the build cache {}", dir);
  }
  const bool is_local = TRY(sys::is_on_local_fs(layer_dir.ref()));
  auto opened = open_records(dir + "/records.db", is_local);
  if (!opened && opened.error().is(EUCLEAN)) {
    TRY_WITHIN(put_aside(dir, lock, opened.error()), "opening the build cache {}", dir);
    opened = open_records(dir + "/records.db", is_local);
  }
  Database database = TRY_WITHIN(std::move(opened), "opening the build cache {}", dir);
  return Cache(dir, std::move(layer_dir), std::move(lock), std::move(database));
}

std::string Cache::layer_path(const Digest& diff_id) const { return dir_ + "/layers/" + diff_id.hex(); }

Result<std::optional<Record>> Cache::find(const Digest& key) {
  std::optional<CachedLayer> missing;
  {
    const std::lock_guard lock(*mutex_);
    auto found = TRY(find_locked(key, true, elsewhere_.empty() ? nullptr : &missing));
    if (!missing) return found;
  }
  get_missing(*missing);
  const std::lock_guard lock(*mutex_);
  return find_locked(key, true);
}

// One layer at a time, so that steps which wait for the same one get it once.
void Cache::get_missing(const CachedLayer& layer) {
  const std::lock_guard alone(*getting_);
  if (const auto stat = sys::stat(FileAt{layer_dir_.ref(), layer.diff_id.hex().c_str()}); stat && static_cast<std::uint64_t>(stat->st_size) == layer.size) return;
  for (const GetLayer& get : elsewhere_)
    if (get(layer)) return;
}

Result<std::optional<Record>> Cache::find_locked(const Digest& key, bool is_used, std::optional<CachedLayer>* missing) {
  Record record;
  std::int64_t used = 0;
  {
    // Ended before anything is written: with a row at hand SQLite does not wait for whoever else writes, but fails.
    Statement select = TRY(database_.prepare("SELECT diff_id, size, clock, used FROM records WHERE key = ?"));
    if (!TRY(select.bind(key.hex()).step())) return std::optional<Record>();
    record.clock = select.number(2);
    used = select.number(3);
    if (!select.is_null(0)) {
      const Digest diff_id = TRY_WITHIN(Digest::parse(select.text(0)), "reading the build cache");
      record.layer = CachedLayer{diff_id, static_cast<std::uint64_t>(select.number(1))};
    }
  }
  if (record.layer) {
    const auto stat = sys::stat(FileAt{layer_dir_.ref(), record.layer->diff_id.hex().c_str()});
    if (!stat && !stat.error().is(ENOENT)) return stat.error().clone().within("looking for a cached layer");
    // Gone, or cut short by a file system that lost it: the step is simply built again.
    if (!stat || static_cast<std::uint64_t>(stat->st_size) != record.layer->size) {
      if (missing != nullptr) {
        *missing = record.layer;
        return std::optional<Record>();
      }
      TRY(TRY(database_.prepare("DELETE FROM records WHERE key = ?")).bind(key.hex()).done());
      return std::optional<Record>();
    }
  }
  // To the hour is enough to tell what nobody uses any more, and a write costs more than all the rest of a cached step. That it
  // cannot be told (a full disk, another build that writes for long) is no reason to do a step again.
  if (const std::int64_t today = now(); is_used && (used < today - kUsedWithin || used > today)) {
    auto update = database_.prepare("UPDATE records SET used = ? WHERE key = ?");
    const auto told = update ? update->bind(today).bind(key.hex()).done() : Result<void>(update.error().clone());
    if (!told) log::info("when a cached step was used is not noted: {}", told.error().message());
  }
  return std::optional<Record>(record);
}

Result<void> Cache::insert_locked(const Digest& key, const Record& record, Conflict conflict, std::int64_t used) {
  Statement insert = TRY(database_.prepare(
      fmt::format("INSERT OR {} INTO records(key, diff_id, size, clock, used) VALUES(?, ?, ?, ?, ?)",
                  conflict == Conflict::replace ? "REPLACE" : "IGNORE")));
  insert.bind(key.hex());
  if (record.layer) {
    insert.bind(record.layer->diff_id.str()).bind(static_cast<std::int64_t>(record.layer->size));
  } else {
    insert.bind_null().bind_null();
  }
  return insert.bind(record.clock).bind(used).done();
}

Result<Record> Cache::put(const Digest& key, const Record& record, bool replace) {
  const std::lock_guard lock(*mutex_);
  TRY(insert_locked(key, record, replace ? Conflict::replace : Conflict::keep, now()));
  if (auto stands = TRY(find_locked(key, true))) return *std::move(stands);
  // What stood there had lost its layer.
  TRY(insert_locked(key, record, Conflict::keep, now()));
  return record;
}

Result<void> Cache::add_other(const Digest& first, const Digest& key) {
  const std::lock_guard lock(*mutex_);
  return TRY(database_.prepare("INSERT OR IGNORE INTO others(first, key) "
                               "SELECT ?1, ?2 UNION ALL SELECT ?1, key FROM "
                               // No more: a key that many have in common would make all of them know all others.
                               "(SELECT key FROM others WHERE first IN (SELECT first FROM others WHERE key = ?2) LIMIT 64)"))
      .bind(first.hex())
      .bind(key.hex())
      .done();
}

Result<std::optional<KeyInputs>> Cache::last_inputs(const std::string& place) {
  const std::lock_guard lock(*mutex_);
  Statement select = TRY(database_.prepare("SELECT inputs FROM places WHERE place = ?"));
  if (!TRY(select.bind(place).step())) return std::optional<KeyInputs>();
  auto inputs = KeyInputs::from_json(select.text(0));
  if (!inputs) return std::optional<KeyInputs>();  // only an explanation hangs on it
  return std::optional<KeyInputs>(*std::move(inputs));
}

Result<void> Cache::set_last_inputs(const std::string& place, const KeyInputs& inputs) {
  const std::lock_guard lock(*mutex_);
  const std::string text = inputs.to_json();
  // Ended before anything is written, as in find_locked().
  if (TRY(TRY(database_.prepare("SELECT 1 FROM places WHERE place = ? AND inputs = ?")).bind(place).bind(text).step())) return {};
  return TRY(database_.prepare("INSERT OR REPLACE INTO places(place, inputs) VALUES(?, ?)")).bind(place).bind(text).done();
}

Result<std::optional<image::Descriptor>> Cache::packed(const Digest& diff_id, const std::string& how) {
  const std::lock_guard lock(*mutex_);
  Statement select = TRY(database_.prepare("SELECT digest, size, media_type FROM packs WHERE diff_id = ? AND how = ?"));
  if (!TRY(select.bind(diff_id.str()).bind(how).step())) return std::optional<image::Descriptor>();
  image::Descriptor packed;
  packed.digest = TRY_WITHIN(Digest::parse(select.text(0)), "reading the build cache");
  packed.size = static_cast<std::uint64_t>(select.number(1));
  packed.media_type = select.text(2);
  return std::optional(std::move(packed));
}

Result<void> Cache::set_packed(const Digest& diff_id, const std::string& how, const image::Descriptor& packed) {
  const std::lock_guard lock(*mutex_);
  return TRY(database_.prepare("INSERT OR REPLACE INTO packs(diff_id, how, digest, size, media_type) VALUES(?, ?, ?, ?, ?)"))
      .bind(diff_id.str())
      .bind(how)
      .bind(packed.digest.str())
      .bind(static_cast<std::int64_t>(packed.size))
      .bind(packed.media_type)
      .done();
}

Result<std::optional<FileIdentity>> Cache::file_identity(const std::string& file) {
  const std::lock_guard lock(*mutex_);
  Statement select = TRY(database_.prepare("SELECT digest, diff_id, media_type FROM files WHERE file = ?"));
  if (!TRY(select.bind(file).step())) return std::optional<FileIdentity>();
  FileIdentity identity;
  identity.digest = TRY_WITHIN(Digest::parse(select.text(0)), "reading the build cache");
  identity.diff_id = TRY_WITHIN(Digest::parse(select.text(1)), "reading the build cache");
  identity.media_type = select.text(2);
  return std::optional(std::move(identity));
}

Result<void> Cache::set_file_identity(const std::string& file, const FileIdentity& identity) {
  const std::lock_guard lock(*mutex_);
  return TRY(database_.prepare("INSERT OR REPLACE INTO files(file, digest, diff_id, media_type) VALUES(?, ?, ?, ?)"))
      .bind(file)
      .bind(identity.digest.str())
      .bind(identity.diff_id.str())
      .bind(identity.media_type)
      .done();
}

}  // namespace acetate::build
