#include <gtest/gtest.h>

#include "builder/cache_key.h"
#include "builder/clock.h"

namespace acetate::build {
namespace {

KeyInputs inputs(std::initializer_list<std::pair<const char*, const char*>> items) {
  KeyInputs made;
  for (const auto& [name, value] : items) made.add(name, value);
  return made;
}

// What a key is must never change by accident: every cache in the world would be stale at once.
TEST(CacheKey, IsAFixedFunctionOfItsInputs) {
  EXPECT_EQ(inputs({{"step", "RUN"}, {"$A", "1"}}).digest().hex(), "575752b7623fdf12934a043518a2445119d6a21923d346294cf5e5a9aeff8367");
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

timespec now() {
  timespec time{};
  ::clock_gettime(CLOCK_REALTIME, &time);
  return time;
}

TEST(StepClock, StampsWhatIsFreshAndKeepsWhatCameOutOfContent) {
  StepClock clock(TimeRule{}, 1000);
  clock.learn_output({.tv_sec = 500, .tv_nsec = 5});
  EXPECT_EQ(clock.now(), 1001);
  EXPECT_EQ(clock.of_output(now()).tv_sec, 1001);
  EXPECT_EQ(clock.of_output({.tv_sec = 500, .tv_nsec = 5}).tv_nsec, 5);
  EXPECT_EQ(clock.of_copy({.tv_sec = 500, .tv_nsec = 5}).tv_sec, 1001);
}

TEST(StepClock, TakesATimeThatLostItsFractionOnTheWayForOneOfItsOwn) {
  StepClock clock(TimeRule{}, 1000);
  for (const long unit : {1L, 1000L, 1000000000L}) {
    const timespec copied{.tv_sec = clock.began().tv_sec, .tv_nsec = clock.began().tv_nsec / unit * unit};
    clock.learn_output(copied);
    EXPECT_EQ(clock.of_output(copied).tv_sec, 1001) << "in units of " << unit << " ns";
  }
  const timespec before{.tv_sec = clock.began().tv_sec - 1, .tv_nsec = 0};
  EXPECT_EQ(clock.of_output(before).tv_sec, before.tv_sec);
}

TEST(StepClock, NeverTakesContentForItsOwnHoweverYoungItIs) {
  StepClock clock(TimeRule{}, 1000);
  const timespec second_it_began_in{.tv_sec = clock.began().tv_sec, .tv_nsec = 0};
  clock.learn_content({.tv_sec = second_it_began_in.tv_sec - 1});
  EXPECT_EQ(clock.now(), second_it_began_in.tv_sec - 1);
  EXPECT_EQ(clock.of_content(second_it_began_in).tv_sec, second_it_began_in.tv_sec);
}

TEST(StepClock, NeverMakesAnOutputOlderThanWhatTheStepUnpacked) {
  StepClock clock(TimeRule{}, 1000);
  clock.learn_output({.tv_sec = 2000});
  EXPECT_EQ(clock.of_output(now()).tv_sec, 2000);
}

TEST(StepClock, ClampsToTheEpochThatWasAsked) {
  StepClock clock(TimeRule{.kind = TimeRule::Kind::epoch, .epoch = 300}, 0);
  clock.learn_output({.tv_sec = 2000});
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
