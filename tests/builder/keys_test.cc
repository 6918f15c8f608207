#include <gtest/gtest.h>

#include "builder/cache.h"
#include "builder/cache_key.h"
#include "builder/clock.h"
#include "tests/support/temp_dir.h"

namespace acetate::build {
namespace {

KeyInputs inputs(std::initializer_list<std::pair<const char*, const char*>> items) {
  KeyInputs made;
  for (const auto& [name, value] : items) made.add(name, value);
  return made;
}

// What a key is must never change by accident: every cache in the world would be stale at once.
TEST(CacheKey, IsAFixedFunctionOfItsInputs) {
  EXPECT_EQ(inputs({{"step", "RUN"}, {"$A", "1"}}).digest().hex(), "034e3bb16a9822f9429b6768196e190bb4288f8ec7a5ab4bb3a24169afd966f0");
}

TEST(CacheKey, DoesNotLetInputsRunTogether) {
  EXPECT_NE(inputs({{"ab", "c"}}).digest(), inputs({{"a", "bc"}}).digest());
  EXPECT_NE(inputs({{"a", "b"}, {"c", "d"}}).digest(), inputs({{"a", "bcd"}}).digest());
  EXPECT_NE(inputs({{"a", ""}}).digest(), inputs({}).digest());
}

TEST(CacheKey, IsReadBackFromItsRecord) {
  const KeyInputs before = inputs({{"the command", "[\"sh\",\"-c\",\"echo \\\"x\\\"\"]"}, {"$GRÜSSE", "ö"}});
  const auto after = KeyInputs::from_json(before.to_json());
  ASSERT_TRUE(after);
  EXPECT_EQ(after->digest(), before.digest());
  EXPECT_FALSE(KeyInputs::from_json("{}"));
  EXPECT_FALSE(KeyInputs::from_json("[[\"a\"]]"));
}

TEST(CacheKey, TellsTheFirstThingThatDiffers) {
  const KeyInputs before = inputs({{"step", "RUN"}, {"$A", "1"}, {"$B", "2"}});
  EXPECT_EQ(first_difference(before, before), std::nullopt);
  EXPECT_EQ(first_difference(before, inputs({{"step", "RUN"}, {"$A", "3"}, {"$B", "4"}})), "$A was 1, is 3");
  EXPECT_EQ(first_difference(before, inputs({{"step", "RUN"}, {"$A", "1"}, {"$B", "2"}, {"$C", "5"}})), "$C is new: 5");
  EXPECT_EQ(first_difference(before, inputs({{"step", "RUN"}, {"$B", "2"}})), "$A is gone: it was 1");
}

class CacheTest : public testing::Test {
 protected:
  Cache open() {
    auto cache = Cache::open(dir_ / "cache");
    EXPECT_TRUE(cache) << cache.error().message();
    return *std::move(cache);
  }
  // A layer file as LayerFile would leave it.
  CachedLayer layer(std::string_view bytes) {
    const Digest digest = Digest::of(bytes);
    dir_.write("cache/layers/" + digest.hex(), bytes);
    return {digest, bytes.size()};
  }
  test::TempDir dir_;
};

TEST_F(CacheTest, RemembersAcrossProcesses) {
  const Record record{.layer = layer("tar"), .clock = 7};
  {
    Cache cache = open();
    ASSERT_TRUE(cache.put(inputs({{"a", "b"}}), record));
  }
  Cache cache = open();
  EXPECT_EQ(*cache.find(inputs({{"a", "b"}}).digest()), record);
  EXPECT_EQ(*cache.find(inputs({{"a", "c"}}).digest()), std::nullopt);
}

TEST_F(CacheTest, RemembersThatAStepChangedNothing) {
  Cache cache = open();
  ASSERT_TRUE(cache.put(inputs({{"a", "b"}}), Record{.clock = 3}));
  EXPECT_EQ(*cache.find(inputs({{"a", "b"}}).digest()), (Record{.clock = 3}));
}

TEST_F(CacheTest, KeepsTheResultOfWhoeverWasFirst) {
  Cache ours = open();
  Cache theirs = open();
  const Record first{.layer = layer("first"), .clock = 1};
  const Record second{.layer = layer("second"), .clock = 2};
  ASSERT_EQ(*theirs.put(inputs({{"a", "b"}}), first), first);
  EXPECT_EQ(*ours.put(inputs({{"a", "b"}}), second), first);
  EXPECT_EQ(*ours.put(inputs({{"a", "b"}}), second, /*replace=*/true), second);
}

TEST_F(CacheTest, ForgetsARecordWhoseLayerIsGoneOrCutShort) {
  Cache cache = open();
  const Record record{.layer = layer("tar"), .clock = 1};
  ASSERT_TRUE(cache.put(inputs({{"a", "b"}}), record));
  dir_.write("cache/layers/" + record.layer->diff_id.hex(), "t");
  EXPECT_EQ(*cache.find(inputs({{"a", "b"}}).digest()), std::nullopt);
}

TEST_F(CacheTest, KeepsWhatAStepWasMadeFromByItsPlace) {
  Cache cache = open();
  EXPECT_EQ(cache.last_inputs("Dockerfile 3")->has_value(), false);
  ASSERT_TRUE(cache.set_last_inputs("Dockerfile 3", inputs({{"a", "b"}})));
  ASSERT_TRUE(cache.set_last_inputs("Dockerfile 3", inputs({{"a", "c"}})));
  EXPECT_EQ((*cache.last_inputs("Dockerfile 3"))->digest(), inputs({{"a", "c"}}).digest());
}

TEST_F(CacheTest, SaysWhereItCouldNotBeOpened) {
  dir_.write("file", "");
  const auto cache = Cache::open(dir_ / "file");
  ASSERT_FALSE(cache);
  EXPECT_NE(cache.error().message().find(dir_ / "file"), std::string::npos);
}

timespec now() {
  timespec time{};
  ::clock_gettime(CLOCK_REALTIME, &time);
  return time;
}

TEST(StepClock, StampsWhatIsFreshAndKeepsWhatCameOutOfContent) {
  StepClock clock(TimeRule{}, 1000);
  clock.learn({.tv_sec = 500, .tv_nsec = 5});
  EXPECT_EQ(clock.now(), 1001);
  EXPECT_EQ(clock.of_output(now()).tv_sec, 1001);
  EXPECT_EQ(clock.of_output({.tv_sec = 500, .tv_nsec = 5}).tv_nsec, 5);
  EXPECT_EQ(clock.of_copy({.tv_sec = 500, .tv_nsec = 5}).tv_sec, 1001);
}

TEST(StepClock, NeverMakesAnOutputOlderThanWhatTheStepUnpacked) {
  StepClock clock(TimeRule{}, 1000);
  clock.learn({.tv_sec = 2000});
  EXPECT_EQ(clock.of_output(now()).tv_sec, 2000);
}

TEST(StepClock, ClampsToTheEpochThatWasAsked) {
  StepClock clock(TimeRule{.kind = TimeRule::Kind::epoch, .epoch = 300}, 0);
  clock.learn({.tv_sec = 2000});
  EXPECT_EQ(clock.now(), 300);
  EXPECT_EQ(clock.of_output({.tv_sec = 2000}).tv_sec, 300);
  EXPECT_EQ(clock.of_copy({.tv_sec = 200}).tv_sec, 200);
}

TEST(StepClock, LeavesTimesAloneWhenAskedTo) {
  const StepClock clock(TimeRule{.kind = TimeRule::Kind::keep}, 0);
  EXPECT_EQ(clock.of_copy({.tv_sec = 200, .tv_nsec = 1}).tv_nsec, 1);
}

TEST(Time, IsWrittenAndReadAsRfc3339) {
  EXPECT_EQ(format_time(1706696430), "2024-01-31T10:20:30Z");
  EXPECT_EQ(parse_time("2024-01-31T10:20:30Z"), 1706696430);
  EXPECT_EQ(parse_time("2024-01-31T10:20:30.123456789Z"), 1706696430);
  EXPECT_EQ(parse_time("2024-01-31T12:20:30+02:00"), 1706696430);
  EXPECT_EQ(parse_time("1970-01-01T00:00:00Z"), 0);
  for (const char* text : {"", "yesterday", "2024-13-31T10:20:30Z", "2024-01-31T10:20:30"}) EXPECT_FALSE(parse_time(text)) << text;
}

}  // namespace
}  // namespace acetate::build
