#include "layers/stream/read_trace.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "base/log.h"
#include "tests/support/temp_dir.h"

namespace acetate {
namespace {

using namespace std::chrono_literals;
using Noted = TraceRecorder::Noted;
using Points = std::vector<TracePoint>;

const Digest kBlob = Digest::of("a blob");

std::string said_while(const std::function<void()>& what) {
  std::string said;
  log::set_sink([&](log::Level, std::string_view line) { said += line; });
  log::set_level(log::Level::info);
  what();
  log::set_level(log::Level::warn);
  log::set_sink({});
  return said;
}

TEST(ReadTrace, ReadsWhatItWrote) {
  test::TempDir dir;
  const Points points = {{0, 0, 0}, {std::uint64_t{1} << 40, 59'999, 4}};
  save_trace(dir / "t", kBlob, points);
  EXPECT_EQ(said_while([&] { EXPECT_EQ(load_trace(dir / "t", kBlob), points); }), "");
  EXPECT_EQ(said_while([&] { EXPECT_EQ(load_trace(dir / "none", kBlob), Points()); }), "");
}

TEST(ReadTrace, SaysThatItDoesNotFollowOneOfAnotherBlob) {
  test::TempDir dir;
  save_trace(dir / "t", kBlob, Points{{1, 2, 3}});
  const auto said = said_while([&] { EXPECT_EQ(load_trace(dir / "t", Digest::of("another")), Points()); });
  EXPECT_NE(said.find("is not followed: it is of another blob"), std::string::npos) << said;
}

TEST(ReadTrace, SeesEveryDamagedByteAndEveryLostOne) {
  const std::string whole = format_trace(kBlob, Points{{1, 2, 3}, {4, 5, 0}});
  for (std::size_t i = 0; i < whole.size(); ++i) {
    std::string damaged = whole;
    damaged[i] = static_cast<char>(damaged[i] ^ 0x40);
    EXPECT_TRUE(parse_trace(damaged, kBlob).error().is(EBADMSG)) << i;
    EXPECT_TRUE(parse_trace(whole.substr(0, i), kBlob).error().is(EBADMSG)) << i;
  }
  EXPECT_TRUE(parse_trace(whole + "x", kBlob).error().is(EBADMSG));
}

TEST(ReadTrace, DoesNotBelieveWhatOthersMayWrite) {
  test::TempDir dir;
  save_trace(dir / "t", kBlob, Points{{1, 2, 3}});
  ASSERT_EQ(::chmod((dir / "t").c_str(), 0622), 0);
  const auto said = said_while([&] { EXPECT_EQ(load_trace(dir / "t", kBlob), Points()); });
  EXPECT_NE(said.find("others may write it"), std::string::npos) << said;
}

TEST(ReadTrace, FailsSilentlyWhereNothingCanBeKept) {
  EXPECT_EQ(said_while([] { save_trace("/proc/none/t", kBlob, Points{{1, 2, 3}}); }), "");
}

TEST(ReadTrace, OpensNothingThatLiesInItsWayAndMakesTheFolder) {
  test::TempDir dir;
  const std::string path = dir / "sha256/aa/trace";
  const Points points{{1, 2, 0}};
  save_trace(path, kBlob, points);
  EXPECT_EQ(load_trace(path, kBlob), points);
  ASSERT_EQ(::mkfifo((path + ".tmp").c_str(), 0600), 0);
  save_trace(path, kBlob, {});
  EXPECT_TRUE(load_trace(path, kBlob).empty());
}

TEST(ReadTrace, KeepsAPointUntilManyRunsDidNotComeToIt) {
  Points trace = merge_traces(Points{{10, 1, 0}, {20, 2, 0}}, {});
  for (std::uint32_t run = 1; run <= kMostMissedRuns; ++run) {
    trace = merge_traces(Points{{30, 9, 0}}, trace);
    EXPECT_EQ(trace, (Points{{30, 9, 0}, {10, 1, run}, {20, 2, run}}));
  }
  EXPECT_EQ(merge_traces(Points{{30, 9, 0}}, trace), (Points{{30, 9, 0}}));
  EXPECT_EQ(merge_traces(Points{{20, 7, 0}}, trace), (Points{{20, 7, 0}, {30, 9, 1}}));
}

TEST(ReadTrace, NeverHasMoreThanItsLimitAndKeepsTheLatestRuns) {
  Points before;
  Points now;
  for (std::uint32_t i = 0; i < kMostTracePoints; ++i) before.push_back({i, i, 0}), now.push_back({10'000 + i, i, 0});
  now.resize(kMostTracePoints - 1);
  const Points merged = merge_traces(now, before);
  ASSERT_EQ(merged.size(), kMostTracePoints);
  EXPECT_EQ(merged.back(), (TracePoint{0, 0, 1}));
  EXPECT_TRUE(parse_trace(format_trace(kBlob, merged), kBlob));
}

TEST(TraceRecorder, NotesEachSpanOnceWithItsTime) {
  const auto begin = TraceRecorder::Clock::now();
  TraceRecorder recorder(100, begin);
  EXPECT_EQ(recorder.note(70, 7000, begin + 5ms), Noted::first);
  EXPECT_EQ(recorder.note(70, 7000, begin + 6ms), Noted::known);
  EXPECT_EQ(recorder.note(3, 300, begin + 8ms), Noted::first);
  EXPECT_EQ(recorder.note(100, 300, begin), Noted::known) << "there is none";
  EXPECT_EQ(recorder.points(), (Points{{7000, 5, 0}, {300, 8, 0}}));
  EXPECT_TRUE(recorder.is_known(70));
  EXPECT_FALSE(recorder.is_known(71));
}

TEST(TraceRecorder, EndsOnceWhenItsTimeIsOver) {
  const auto begin = TraceRecorder::Clock::now();
  TraceRecorder recorder(100, begin);
  EXPECT_EQ(recorder.note(1, 100, begin + kTraceLength), Noted::first);
  EXPECT_EQ(recorder.note(2, 200, begin + kTraceLength + 1ms), Noted::last);
  EXPECT_EQ(recorder.note(3, 300, begin), Noted::late);
  EXPECT_EQ(recorder.note(3, 300, begin), Noted::known);
  EXPECT_EQ(recorder.points().size(), 1U);
}

TEST(TraceRecorder, EndsOnceWhenItIsFull) {
  const auto begin = TraceRecorder::Clock::now();
  TraceRecorder recorder(kMostTracePoints + 10, begin);
  for (std::size_t i = 0; i + 1 < kMostTracePoints; ++i) EXPECT_EQ(recorder.note(i, i, begin), Noted::first);
  EXPECT_EQ(recorder.note(kMostTracePoints - 1, 1, begin), Noted::last);
  EXPECT_EQ(recorder.note(kMostTracePoints, 1, begin), Noted::late);
  EXPECT_EQ(recorder.points().size(), kMostTracePoints);
}

}  // namespace
}  // namespace acetate
