// SQLite, as much of it as we need: a database, a statement, a transaction, errors as values.
//
// One thread at a time: SQLite would order single calls by itself, but neither is the error of the latest call then ours, nor may we
// write while another thread's SELECT stands on a row (the busy handler is not asked, and it fails at once).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/result.h"

struct sqlite3;
struct sqlite3_stmt;

namespace acetate::build {

class Database;

// A prepared statement, run once. Borrows its database.
class Statement {
 public:
  Statement& bind(std::string_view text);
  Statement& bind(std::int64_t number);
  Statement& bind_null();
  // The next row; false when there is none.
  Result<bool> step();
  // Runs it to its end.
  Result<void> done();
  // Columns of the row at hand, from 0.
  std::string text(int column) const;
  std::int64_t number(int column) const;
  bool is_null(int column) const;

 private:
  friend class Database;
  Statement(sqlite3* db, sqlite3_stmt* statement) : db_(db), statement_(statement, &finalize) {}
  static void finalize(sqlite3_stmt* statement);
  sqlite3* db_;
  std::unique_ptr<sqlite3_stmt, void (*)(sqlite3_stmt*)> statement_;
  int next_ = 1;
};

class Database {
 public:
  // How a commit is made whole. With `ahead` (SQLite's WAL) it waits for no disk: after a power cut the latest may be missing, and what is
  // there is what some commit left. Processes share memory for it, which those on other machines cannot. With `rollback` it waits.
  enum class Journal { rollback, ahead };

  // Made when absent. Waits for other processes' locks instead of failing. Which journal there is, is kept in the file: that of somebody
  // who has it open at the moment stays, and one that does not work here is not used.
  static Result<Database> open(const std::string& path, Journal wanted);
  Result<void> execute(const char* sql);
  Result<Statement> prepare(std::string_view sql);

 private:
  static void close(sqlite3* db);
  Result<void> use_journal_ahead();
  Result<void> use_rollback_journal();
  explicit Database(sqlite3* db) : db_(db, &close) {}
  std::unique_ptr<sqlite3, void (*)(sqlite3*)> db_;
};

// What is done while it lives becomes true all at once by commit(), and not at all without it. Takes the right to write at once.
class Transaction {
 public:
  static Result<Transaction> begin(Database& database);
  Transaction(Transaction&& other) noexcept : database_(std::exchange(other.database_, nullptr)) {}
  Transaction& operator=(Transaction&&) = delete;
  ~Transaction();
  Result<void> commit();

 private:
  explicit Transaction(Database& database) : database_(&database) {}
  Database* database_;
};

}  // namespace acetate::build
