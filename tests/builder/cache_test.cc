// What the build cache remembers, for itself and for other machines, and what it forgets first.
#include "builder/cache.h"

#include <sys/file.h>
#include <sys/stat.h>

#include <atomic>
#include <thread>

#include "base/sys/file.h"
#include "builder/cache_share.h"
#include "tests/builder/cache_fixture.h"

namespace acetate::build {
namespace {

KeyInputs inputs(const char* value) {
  KeyInputs made;
  made.add("a", value);
  return made;
}

const AccessedPaths kPaths{{"", kNamed}, {"a", kNamed | kOpened}};

AccessedPaths paths_of(int number) { return {{"p" + std::to_string(number), kNamed}}; }

TEST_F(CacheTest, RemembersAcrossProcesses) {
  const Record record{.layer = layer("tar"), .clock = 7};
  {
    Cache cache = open();
    ASSERT_TRUE(cache.put(key("b"), record));
  }
  Cache cache = open();
  EXPECT_EQ(*cache.find(key("b")), record);
  EXPECT_EQ(*cache.find(key("c")), std::nullopt);
}

TEST_F(CacheTest, RemembersThatAStepChangedNothing) {
  Cache cache = open();
  ASSERT_TRUE(cache.put(key("b"), Record{.clock = 3}));
  EXPECT_EQ(*cache.find(key("b")), (Record{.clock = 3}));
}

TEST_F(CacheTest, KeepsTheResultOfWhoeverWasFirst) {
  Cache ours = open();
  Cache theirs = open();
  const Record first{.layer = layer("first"), .clock = 1};
  const Record second{.layer = layer("second"), .clock = 2};
  ASSERT_EQ(*theirs.put(key("b"), first), first);
  EXPECT_EQ(*ours.put(key("b"), second), first);
  EXPECT_EQ(*ours.put(key("b"), second, /*replace=*/true), second);
}

TEST_F(CacheTest, ForgetsARecordWhoseLayerIsGoneOrCutShort) {
  Cache cache = open();
  const Record record{.layer = layer("tar"), .clock = 1};
  ASSERT_TRUE(cache.put(key("b"), record));
  dir_.write("cache/layers/" + record.layer->diff_id.hex(), "t");
  EXPECT_EQ(*cache.find(key("b")), std::nullopt);
}

TEST_F(CacheTest, TakesANewResultWhereTheOldOneHasLostItsLayer) {
  Cache cache = open();
  const Record old{.layer = layer("old"), .clock = 1}, young{.layer = layer("young"), .clock = 2};
  ASSERT_TRUE(cache.put(key("b"), old));
  ASSERT_TRUE(sys::unlink({kWorkingDir, (dir_ / ("cache/layers/" + old.layer->diff_id.hex())).c_str()}));
  EXPECT_EQ(*cache.put(key("b"), young), young);
  EXPECT_EQ(*cache.find(key("b")), young);
}

// Each finds its own, and none is told that the database is in use.
TEST_F(CacheTest, IsUsedByThreadsAndByOthersAtOnce) {
  Cache ours = open(), theirs = open();
  std::atomic<int> wrong = 0;
  const auto work = [&](Cache& cache, int thread) {
    for (int n = 0; n < 30; ++n) {
      const Digest mine = key(fmt::format("{} {}", thread, n));
      const auto put = cache.put(mine, Record{.clock = n});
      const auto reads = cache.add_reads(key(fmt::format("step {}", thread)), mine, {paths_of(n), inputs("seen")});
      const auto known = cache.reads(key(fmt::format("step {}", thread)));
      const auto found = cache.find(mine);
      if (!put || !reads || !known || !found || *found != Record{.clock = n} || known->front().paths != paths_of(n)) ++wrong;
    }
  };
  std::vector<std::thread> threads;
  for (int n = 0; n < 4; ++n) threads.emplace_back(work, std::ref(n % 2 == 0 ? ours : theirs), n);
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
}

TEST_F(CacheTest, KeepsWhatAStepWasMadeFromByItsPlace) {
  Cache cache = open();
  EXPECT_EQ(cache.last_inputs("Dockerfile 3")->has_value(), false);
  ASSERT_TRUE(cache.set_last_inputs("Dockerfile 3", inputs("b")));
  ASSERT_TRUE(cache.set_last_inputs("Dockerfile 3", inputs("c")));
  EXPECT_EQ((*cache.last_inputs("Dockerfile 3"))->digest(), inputs("c").digest());
}

TEST_F(CacheTest, SaysWhereItCouldNotBeOpened) {
  dir_.write("file", "");
  const auto cache = Cache::open(dir_ / "file");
  ASSERT_FALSE(cache);
  EXPECT_NE(cache.error().message().find(dir_ / "file"), std::string::npos);
}

TEST_F(CacheTest, BeginsADamagedOneAnewAndKeepsWhatIsDamaged) {
  { ASSERT_TRUE(open().put(key("b"), Record{.clock = 3})); }
  dir_.write("cache/records.db", "this is no database, and longer than the header of one: " + std::string(4096, 'x'));
  {
    Cache cache = open();
    EXPECT_EQ(*cache.find(key("b")), std::nullopt);
    EXPECT_TRUE(cache.put(key("b"), Record{.clock = 4}));
  }
  EXPECT_TRUE(dir_.read("cache/records.db.damaged").starts_with("this is no database"));
  EXPECT_EQ((*open().find(key("b")))->clock, 4);
}

TEST_F(CacheTest, LeavesADamagedOneToWhoIsAloneWithItAndSaysWhichItIs) {
  { open(); }
  const Fd other = *sys::open(dir_ / "cache/lock", O_RDWR);
  ASSERT_TRUE(sys::flock(other.ref(), LOCK_SH));
  dir_.write("cache/records.db", "this is no database, and longer than the header of one: " + std::string(4096, 'x'));
  const auto second = Cache::open(dir_ / "cache");
  ASSERT_FALSE(second);
  EXPECT_NE(second.error().message().find(dir_ / "cache/records.db"), std::string::npos) << second.error().message();
  EXPECT_NE(second.error().message().find("another build is using it"), std::string::npos) << second.error().message();
}

TEST_F(CacheTest, BeginsOneOfAnotherVersionAnew) {
  { ASSERT_TRUE(open().put(key("b"), Record{.clock = 3})); }
  {
    Database database = *Database::open(dir_ / "cache/records.db", Database::Journal::ahead);
    ASSERT_TRUE(database.execute("PRAGMA user_version = 1"));
  }
  Cache cache = open();
  EXPECT_EQ(*cache.find(key("b")), std::nullopt);
  EXPECT_TRUE(cache.put(key("b"), Record{.clock = 4}));
}

TEST_F(CacheTest, TakesPathsOfOthersOnlyIntoFreePlacesAndBehindItsOwn) {
  Cache cache = open();
  for (int n = 0; n < 7; ++n) ASSERT_TRUE(cache.add_reads(key("step"), key("k"), {paths_of(n), inputs("seen")}));
  std::vector<Cache::Kept> theirs;
  for (int n = 6; n < 20; ++n) theirs.push_back({.key = key("theirs"), .record = {}, .step = key("step"), .paths = paths_of(n)});
  ASSERT_TRUE(cache.add_foreign(theirs));
  const auto reads = *cache.reads(key("step"));
  ASSERT_EQ(reads.size(), 8U);
  EXPECT_EQ(reads.front().paths, paths_of(6));
  EXPECT_EQ(reads.front().seen.items().size(), 1U) << "what was known stays as it is";
  EXPECT_EQ(reads.back().paths, paths_of(7));
}

TEST_F(CacheTest, KeepsRecordsWhoseLayersHaveNotBeenGotWhileOthersAreTold) {
  Cache cache = open();
  const Digest far = Digest::of("far away");
  const Record here{.layer = layer("here"), .clock = 1}, there{.layer = CachedLayer{far, 8}, .clock = 2};
  ASSERT_TRUE(cache.put(key("a"), here));
  ASSERT_TRUE(cache.add_foreign({{.key = key("b"), .record = there}}));
  cache.get_layers_by([&](const CachedLayer& wanted) -> Result<void> {
    dir_.write("cache/layers/" + wanted.diff_id.hex(), "far away");
    return {};
  });
  const auto kept = cache.kept({key("a"), key("b")});
  ASSERT_TRUE(kept) << kept.error().message();
  ASSERT_EQ(kept->size(), 1U) << "whose layer is not here cannot be told of";
  EXPECT_EQ(kept->front().key, key("a"));
  EXPECT_EQ(*cache.find(key("b")), there) << "and is there for who asks for it";
}

TEST_F(CacheTest, ForgetsAllThatIsFoundByWhatAStepSaw) {
  Cache cache = open();
  ASSERT_TRUE(cache.put(key("by content"), Record{.clock = 3}));
  ASSERT_TRUE(cache.add_step(key("step"), key("by content")));
  ASSERT_TRUE(cache.add_reads(key("step"), key("by content"), {kPaths, {}}));
  ASSERT_TRUE(cache.forget_step(key("step")));
  EXPECT_FALSE(*cache.knows_step(key("step")));
  EXPECT_TRUE(cache.reads(key("step"))->empty());
  EXPECT_EQ(*cache.find(key("by content")), std::nullopt);
}

class SharedCacheTest : public CacheTest {
 protected:
  std::string shared(const std::set<Digest>& keys) {
    Cache cache = open();
    const auto written = export_cache(cache, keys, dir_ / "shared");
    return written ? dir_.read("shared/cache.json") : "error: " + written.error().message();
  }
  // How many records came of it, or the error.
  std::string taken() {
    Cache there = *Cache::open(dir_ / "there");
    const auto imported = import_cache(there, dir_ / "shared");
    return imported ? fmt::format("{} taken, {} refused {}", imported->records, imported->refused, imported->first_reason)
                    : "error: " + imported.error().message();
  }
  void write_index(std::string_view records) {
    dir_.write("shared/cache.json", fmt::format(R"({{"acetate build cache": 2, "records": [{}]}})", records));
  }
};

TEST_F(SharedCacheTest, TellsWhatABuildUsedAndNothingOfOthers) {
  {
    Cache cache = open();
    const Record same{.layer = layer("tar"), .clock = 7};
    for (const char* name : {"first", "by content", "by reads", "of another project"}) ASSERT_TRUE(cache.put(key(name), same));
    ASSERT_TRUE(cache.add_other(key("first"), key("by content")));
    ASSERT_TRUE(cache.add_other(key("first"), key("by reads")));
    ASSERT_TRUE(cache.add_step(key("step"), key("by reads")));
    ASSERT_TRUE(cache.add_reads(key("step"), key("by reads"), {kPaths, inputs("seen")}));
    ASSERT_TRUE(cache.add_reads(key("step"), key("of another project"), {paths_of(1), inputs("seen")}));
  }
  shared({key("first")});
  EXPECT_EQ(taken(), "3 taken, 0 refused ");
  Cache there = *Cache::open(dir_ / "there");
  EXPECT_EQ(*there.find(key("of another project")), std::nullopt);
  EXPECT_EQ((*there.find(key("by reads")))->clock, 7);
  ASSERT_EQ(there.reads(key("step"))->size(), 1U);
  EXPECT_EQ(there.reads(key("step"))->front().paths, kPaths);
}

TEST_F(SharedCacheTest, HandsOnStepsThatMadeNoLayerByAllTheirKeys) {
  {
    Cache cache = open();
    for (const char* name : {"first", "narrow"}) ASSERT_TRUE(cache.put(key(name), Record{.clock = 7}));
    ASSERT_TRUE(cache.add_other(key("first"), key("narrow")));
  }
  shared({key("first")});
  EXPECT_EQ(taken(), "2 taken, 0 refused ");
}

TEST_F(SharedCacheTest, IsHandedOnWholeByWhoTookIt) {
  {
    Cache cache = open();
    for (const char* name : {"first", "by reads"}) ASSERT_TRUE(cache.put(key(name), Record{.layer = layer("tar"), .clock = 7}));
    ASSERT_TRUE(cache.add_other(key("first"), key("by reads")));
    ASSERT_TRUE(cache.add_step(key("step"), key("by reads")));
    ASSERT_TRUE(cache.add_reads(key("step"), key("by reads"), {kPaths, inputs("seen")}));
  }
  shared({key("first")});
  EXPECT_EQ(taken(), "2 taken, 0 refused ");
  {
    Cache there = *Cache::open(dir_ / "there");
    ASSERT_TRUE(export_cache(there, {key("first")}, dir_ / "further"));
  }
  Cache third = *Cache::open(dir_ / "third");
  EXPECT_EQ(import_cache(third, dir_ / "further")->records, 2U);
  ASSERT_EQ(third.reads(key("step"))->size(), 1U);
  EXPECT_EQ(third.reads(key("step"))->front().paths, kPaths);
}

TEST_F(SharedCacheTest, HandsOnAlsoTheKeysByWhichTheSameWasFoundOnOtherLayers) {
  {
    Cache cache = open();
    for (const char* name : {"first", "by content", "by reads", "on a new base"}) ASSERT_TRUE(cache.put(key(name), Record{.clock = 7}));
    ASSERT_TRUE(cache.add_other(key("first"), key("by content")));
    ASSERT_TRUE(cache.add_other(key("first"), key("by reads")));
    ASSERT_TRUE(cache.add_other(key("on a new base"), key("by content")));
  }
  shared({key("on a new base")});
  EXPECT_EQ(taken(), "3 taken, 0 refused ");
}

TEST_F(SharedCacheTest, MayBeReadByAnybodyAndHoldsNothingOfEarlierOnes) {
  {
    Cache cache = open();
    for (const char* name : {"a", "b"}) ASSERT_TRUE(cache.put(key(name), Record{.layer = layer(name), .clock = 1}));
  }
  const auto path = [](std::string_view name) { return "shared/layers/" + Digest::of(name).hex(); };
  shared({key("a"), key("b")});
  dir_.write("shared/layers/notes", "not ours");
  dir_.write(path("b"), "x");  // of the same size, and damaged
  shared({key("b")});
  EXPECT_FALSE(dir_.exists(path("a")));
  EXPECT_TRUE(dir_.exists("shared/layers/notes"));
  EXPECT_EQ(dir_.read(path("b")), "b");
  EXPECT_EQ(sys::stat_following(dir_ / path("b"))->st_mode & 0777, 0644U);
}

TEST_F(SharedCacheTest, IsNoReasonToForgetWhatIsUsedHere) {
  {
    Cache cache = open();
    ASSERT_TRUE(cache.put(key("theirs"), Record{.layer = layer("theirs"), .clock = 1}));
  }
  shared({key("theirs")});
  Cache there = *Cache::open(dir_ / "there");
  const Digest ours = Digest::of("ours!!");
  dir_.write("there/layers/" + ours.hex(), "ours!!");
  ASSERT_TRUE(there.put(key("ours"), Record{.layer = CachedLayer{ours, 6}, .clock = 1}));
  ASSERT_TRUE(import_cache(there, dir_ / "shared"));
  ASSERT_TRUE(there.prune({.max_bytes = 6}));
  EXPECT_TRUE(there.find(key("ours"))->has_value());
  EXPECT_EQ(*there.find(key("theirs")), std::nullopt);
}

TEST_F(SharedCacheTest, GoesOnAfterALayerThatIsMissingOrSomethingElse) {
  {
    Cache cache = open();
    for (const char* name : {"missing", "other bytes", "a pipe", "good"}) ASSERT_TRUE(cache.put(key(name), Record{.layer = layer(name), .clock = 1}));
  }
  shared({key("missing"), key("other bytes"), key("a pipe"), key("good")});
  const auto path = [&](std::string_view name) { return "shared/layers/" + Digest::of(name).hex(); };
  ASSERT_TRUE(sys::unlink({kWorkingDir, (dir_ / path("missing")).c_str()}));
  dir_.write(path("other bytes"), "OTHER BYTES");
  ASSERT_TRUE(sys::unlink({kWorkingDir, (dir_ / path("a pipe")).c_str()}));
  ASSERT_EQ(::mkfifo((dir_ / path("a pipe")).c_str(), 0600), 0);
  EXPECT_EQ(taken().substr(0, 18), "1 taken, 3 refused") << taken();
  EXPECT_TRUE((*Cache::open(dir_ / "there")).find(key("good"))->has_value());
}

TEST_F(SharedCacheTest, IsNotStoppedByAnIndexMadeToStopIt) {
  dir_.mkdir("shared");
  ASSERT_EQ(::mkfifo((dir_ / "shared/cache.json").c_str(), 0600), 0);
  EXPECT_NE(taken().find("is no file"), std::string::npos) << taken();
  ASSERT_TRUE(sys::unlink({kWorkingDir, (dir_ / "shared/cache.json").c_str()}));

  const std::string good = key("k").str();
  for (const std::string clock : {"-1", "253402300800", "9223372036854775807", "18446744073709551615", "1.5", "\"1\""}) {
    write_index(fmt::format(R"({{"key": "{}", "clock": {}}})", good, clock));
    EXPECT_NE(taken().find("holds a record that is none"), std::string::npos) << clock;
  }
  write_index(fmt::format(R"({{"key": "{}", "clock": {}}})", good, std::string(1'000'000, '[') + std::string(1'000'000, ']')));
  EXPECT_NE(taken().find("nests deeper"), std::string::npos);
  ASSERT_EQ(::truncate((dir_ / "shared/cache.json").c_str(), static_cast<off_t>(kMostCacheIndex) + 1), 0);
  EXPECT_NE(taken().find("File too large"), std::string::npos) << taken();
  write_index(fmt::format(R"({{"key": "{}", "clock": 253402300799}})", good));
  EXPECT_EQ(taken(), "1 taken, 0 refused ");
}

class PrunedCacheTest : public CacheTest {
 protected:
  // A record that was used so many seconds ago.
  Record used(const char* name, std::int64_t seconds_ago, std::size_t bytes) {
    Cache cache = open();
    const Record record{.layer = layer(std::string(bytes, name[0])), .clock = 1};
    EXPECT_TRUE(cache.put(key(name), record));
    Database database = *Database::open(dir_ / "cache/records.db", Database::Journal::ahead);
    EXPECT_TRUE(database.execute(fmt::format("UPDATE records SET used = used - {} WHERE key = '{}'", seconds_ago, key(name).hex()).c_str()));
    return record;
  }
};

TEST_F(PrunedCacheTest, LosesWhatWasNotUsedForLongestUntilItIsSmallEnough) {
  const Record oldest = used("a", 300, 1000), middle = used("b", 200, 1000), latest = used("c", 100, 1000);
  Cache cache = open();
  const auto pruned = cache.prune({.max_bytes = 2500});
  ASSERT_TRUE(pruned) << pruned.error().message();
  EXPECT_EQ(pruned->freed, 1000U);
  EXPECT_EQ(pruned->left, 2000U);
  EXPECT_FALSE(has_layer(oldest));
  EXPECT_TRUE(has_layer(middle) && has_layer(latest));
  EXPECT_EQ(*cache.find(key("a")), std::nullopt);
  EXPECT_TRUE(cache.find(key("b"))->has_value());
}

TEST_F(PrunedCacheTest, LosesWhatWasNotUsedSinceThenAndTellsSoWithoutDoingIt) {
  const Record old = used("a", 3000, 10), young = used("b", 0, 10);
  Cache cache = open();
  const std::int64_t since = static_cast<std::int64_t>(::time(nullptr)) - 1000;
  EXPECT_EQ(cache.prune({.unused_since = since, .dry_run = true})->freed, 10U);
  EXPECT_TRUE(has_layer(old));
  EXPECT_EQ(cache.prune({.unused_since = since})->freed, 10U);
  EXPECT_FALSE(has_layer(old));
  EXPECT_TRUE(has_layer(young));
}

TEST_F(PrunedCacheTest, CountsCacheMountsAndRemovesWhatNoRecordNames) {
  used("a", 0, 10);
  dir_.write("cache/layers/tmp-1", "half");
  dir_.write("cache/mounts/id/0/big", std::string(100'000, 'x'));
  dir_.write("cache/mounts/id/0.lock", "");
  const timespec long_ago[] = {{1000, 0}, {1000, 0}};
  ASSERT_EQ(::utimensat(AT_FDCWD, (dir_ / "cache/mounts/id/0.lock").c_str(), long_ago, 0), 0);
  Cache cache = open();
  const auto pruned = cache.prune({.max_bytes = 5000});
  ASSERT_TRUE(pruned) << pruned.error().message();
  EXPECT_EQ(pruned->mounts, 1U);
  EXPECT_EQ(pruned->layers, 0U);
  EXPECT_FALSE(dir_.exists("cache/mounts/id/0"));
  EXPECT_FALSE(dir_.exists("cache/layers/tmp-1"));
}

TEST_F(PrunedCacheTest, KnowsWhatItTakesWithMountsAndWhatNoRecordNames) {
  used("a", 0, 1000);
  dir_.write("cache/layers/tmp-1", std::string(500, 'x'));
  dir_.write("cache/mounts/id/0/big", std::string(100'000, 'x'));
  dir_.write("cache/mounts/id/0.lock", "");
  Cache cache = open();
  EXPECT_GE(*cache.bytes(), 101'500U);
  EXPECT_LT(*cache.bytes(), 150'000U);
}

TEST_F(PrunedCacheTest, GoesOnAfterWhatCannotBeRemoved) {
  const Record stuck = used("a", 300, 10), other = used("b", 200, 10);
  const std::string path = dir_ / ("cache/layers/" + stuck.layer->diff_id.hex());
  ASSERT_TRUE(sys::unlink({kWorkingDir, path.c_str()}));
  dir_.mkdir("cache/layers/" + stuck.layer->diff_id.hex());
  dir_.write("cache/mounts/stray", "");
  Cache cache = open();
  const auto pruned = cache.prune({.max_bytes = 0});
  ASSERT_TRUE(pruned) << pruned.error().message();
  EXPECT_FALSE(has_layer(other));
  EXPECT_EQ(pruned->left, 10U);
}

TEST_F(PrunedCacheTest, IsInNobodysWayWhileItOnlyTells) {
  used("a", 3000, 10);
  const Cache build = open();
  Cache cache = open();
  EXPECT_EQ(cache.prune({.max_bytes = 0, .dry_run = true, .wait = false})->freed, 10U);
}

TEST_F(PrunedCacheTest, IsLeftAloneWhileABuildHasItOpen) {
  const Record record = used("a", 3000, 10);
  const Cache build = open();
  Cache cache = open();
  EXPECT_TRUE(cache.prune({.max_bytes = 0, .wait = false}).error().is(EWOULDBLOCK));
  EXPECT_TRUE(has_layer(record));
}

}  // namespace
}  // namespace acetate::build
