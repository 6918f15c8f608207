// Which journal the build cache's database has, and that what one wrote with one is there for who needs the other.
#include "builder/sqlite.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/sys/file.h"
#include "tests/support/temp_dir.h"

namespace acetate::build {
namespace {

using Journal = Database::Journal;

class SqliteTest : public ::testing::Test {
 protected:
  Database open(Journal journal) { return *Database::open(dir_ / "db", journal); }
  static std::string asked(Database& database, const char* sql) {
    Statement select = *database.prepare(sql);
    return *select.step() ? select.text(0) : "";
  }
  bool is_there(const char* name) { return sys::stat_following(dir_ / name).has_value(); }
  test::TempDir dir_;
};

TEST_F(SqliteTest, WritesAheadWhereItIsToldTo) {
  Database database = open(Journal::ahead);
  EXPECT_EQ(asked(database, "PRAGMA journal_mode"), "wal");
  EXPECT_EQ(asked(database, "PRAGMA synchronous"), "1");
}

TEST_F(SqliteTest, SharesNoMemoryWithTheRollbackJournal) {
  Database database = open(Journal::rollback);
  ASSERT_TRUE(database.execute("CREATE TABLE t(n); INSERT INTO t VALUES(1)"));
  EXPECT_EQ(asked(database, "PRAGMA journal_mode"), "delete");
  EXPECT_FALSE(is_there("db-shm"));
  // Nobody is kept out by it.
  Database other = open(Journal::rollback);
  EXPECT_TRUE(other.execute("INSERT INTO t VALUES(2)"));
  EXPECT_TRUE(database.execute("INSERT INTO t VALUES(3)"));
  EXPECT_EQ(asked(other, "SELECT count(*) FROM t"), "3");
}

// Its process is gone without having emptied the journal.
TEST_F(SqliteTest, TakesOverTheJournalOfWhoWasKilledAlsoWhereItMayNotBeKept) {
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    Database database = open(Journal::ahead);
    const bool done = database.execute("CREATE TABLE t(n); INSERT INTO t VALUES(42)").has_value();
    ::_exit(done ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_EQ(status, 0);
  ASSERT_TRUE(is_there("db-wal"));
  ASSERT_EQ(::unlink((dir_ / "db-shm").c_str()), 0);  // nor is it on another machine

  Database database = open(Journal::rollback);

  EXPECT_EQ(asked(database, "SELECT n FROM t"), "42");
  EXPECT_EQ(asked(database, "PRAGMA journal_mode"), "delete");
  EXPECT_FALSE(is_there("db-wal"));
  EXPECT_FALSE(is_there("db-shm"));
}

TEST_F(SqliteTest, LeavesTheJournalOfWhoHasItOpen) {
  Database theirs = open(Journal::rollback);
  ASSERT_TRUE(theirs.execute("CREATE TABLE t(n); BEGIN IMMEDIATE; INSERT INTO t VALUES(1)"));

  Database ours = open(Journal::ahead);

  EXPECT_EQ(asked(ours, "PRAGMA journal_mode"), "delete");
  ASSERT_TRUE(theirs.execute("COMMIT"));
  EXPECT_TRUE(ours.execute("INSERT INTO t VALUES(2)"));
  EXPECT_EQ(asked(theirs, "SELECT count(*) FROM t"), "2");
}

}  // namespace
}  // namespace acetate::build
