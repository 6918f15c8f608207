#include "builder/sqlite.h"

#include <sqlite3.h>

#include <cerrno>

#include "base/log.h"

namespace acetate::build {

namespace {

constexpr int kPatience = 60'000;  // milliseconds

// SQLite's codes as ours; its words are kept.
Error error_of(sqlite3* db) {
  int code = EIO;
  switch (sqlite3_errcode(db)) {
    case SQLITE_FULL: code = ENOSPC; break;
    case SQLITE_BUSY:
    case SQLITE_LOCKED: code = EBUSY; break;
    case SQLITE_PERM:
    case SQLITE_CANTOPEN:
    case SQLITE_READONLY: code = EACCES; break;
    case SQLITE_NOMEM: code = ENOMEM; break;
    // Who is told of it wants to know which file that is.
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB: return fail(EUCLEAN, "{}: {}", sqlite3_db_filename(db, "main"), sqlite3_errmsg(db));
    default: break;
  }
  return fail(code, "{}", sqlite3_errmsg(db));
}

struct CloseConnection {
  void operator()(sqlite3* db) const { sqlite3_close(db); }
};
using Connection = std::unique_ptr<sqlite3, CloseConnection>;

Result<Connection> connect(const std::string& path) {
  sqlite3* raw = nullptr;
  const int code = sqlite3_open_v2(path.c_str(), &raw,
                                   SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, nullptr);
  Connection connection(raw);
  if (code != SQLITE_OK) return error_of(raw);
  sqlite3_busy_timeout(raw, kPatience);
  return connection;
}

}  // namespace

void Statement::finalize(sqlite3_stmt* statement) { sqlite3_finalize(statement); }

Statement& Statement::bind(std::string_view text) {
  sqlite3_bind_text(statement_.get(), next_++, text.data(), static_cast<int>(text.size()), SQLITE_TRANSIENT);
  return *this;
}

Statement& Statement::bind(std::int64_t number) {
  sqlite3_bind_int64(statement_.get(), next_++, number);
  return *this;
}

Statement& Statement::bind_null() {
  sqlite3_bind_null(statement_.get(), next_++);
  return *this;
}

Result<bool> Statement::step() {
  const int code = sqlite3_step(statement_.get());
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  return error_of(db_);
}

Result<void> Statement::done() {
  while (TRY(step())) {
  }
  return {};
}

std::string Statement::text(int column) const {
  const auto* bytes = reinterpret_cast<const char*>(sqlite3_column_text(statement_.get(), column));
  const int size = sqlite3_column_bytes(statement_.get(), column);
  return bytes == nullptr ? std::string() : std::string(bytes, static_cast<std::size_t>(size));
}

std::int64_t Statement::number(int column) const { return sqlite3_column_int64(statement_.get(), column); }

bool Statement::is_null(int column) const {
  return sqlite3_column_type(statement_.get(), column) == SQLITE_NULL;
}

void Database::close(sqlite3* db) { sqlite3_close(db); }

// Whoever has it open with the other journal is not waited for: he may build for long.
Result<void> Database::use_journal_ahead() {
  const auto ask = [&](const char* sql) -> Result<std::string> {
    Statement mode = TRY(prepare(sql));
    return TRY(mode.step()) ? mode.text(0) : std::string();
  };
  if (TRY(ask("PRAGMA journal_mode")) == "wal") return {};
  sqlite3_busy_timeout(db_.get(), 0);
  const auto now = ask("PRAGMA journal_mode = WAL");
  sqlite3_busy_timeout(db_.get(), kPatience);
  if (!now) log::info("the build cache keeps its rollback journal for now: {}", now.error().message());
  else if (*now != "wal") log::info("the build cache keeps its rollback journal: SQLite has no other here");
  return {};
}

// Alone with it no memory is shared, so that a journal which was written where that works can be emptied where it does not.
Result<void> Database::use_rollback_journal() {
  TRY(execute("PRAGMA locking_mode = EXCLUSIVE"));
  TRY(execute("PRAGMA journal_mode = DELETE"));
  return execute("PRAGMA locking_mode = NORMAL");
}

Result<Database> Database::open(const std::string& path, Journal wanted) {
  Database database(TRY_WITHIN(connect(path), "opening {}", path).release());
  const auto journal = wanted == Journal::ahead ? database.use_journal_ahead() : database.use_rollback_journal();
  if (!journal) {
    // The memory that is shared is a file, and on a full disk there is no room for it. Who is alone does without, and can make some.
    database = Database(TRY_WITHIN(connect(path), "opening {}", path).release());
    const bool is_alone = wanted == Journal::ahead && database.execute("PRAGMA locking_mode = EXCLUSIVE; PRAGMA user_version");
    if (!is_alone) return journal.error().clone().within(fmt::format("opening {}", path));
  }
  // Of a journal ahead: when it is emptied into the file. Of the other: at each commit.
  TRY(database.execute("PRAGMA synchronous = NORMAL"));
  return database;
}

Result<void> Database::execute(const char* sql) {
  if (sqlite3_exec(db_.get(), sql, nullptr, nullptr, nullptr) != SQLITE_OK) return error_of(db_.get());
  return {};
}

Result<Statement> Database::prepare(std::string_view sql) {
  sqlite3_stmt* raw = nullptr;
  if (sqlite3_prepare_v2(db_.get(), sql.data(), static_cast<int>(sql.size()), &raw, nullptr) != SQLITE_OK)
    return error_of(db_.get());
  return Statement(db_.get(), raw);
}

Result<Transaction> Transaction::begin(Database& database) {
  TRY(database.execute("BEGIN IMMEDIATE"));
  return Transaction(database);
}

// A COMMIT that failed may have ended it already.
Transaction::~Transaction() {
  if (database_ != nullptr) static_cast<void>(database_->execute("ROLLBACK").has_value());
}

Result<void> Transaction::commit() {
  TRY(database_->execute("COMMIT"));
  database_ = nullptr;
  return {};
}

}  // namespace acetate::build
