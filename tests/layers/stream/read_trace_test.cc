#include "layers/stream/read_trace.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "base/bytes.h"
#include "base/hash.h"
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

TEST(ReadTrace, ReadsTheVersionThatToldOfSpans) {
  ByteWriter old;
  old.put(std::string_view("ACETTRC1"));
  old.put(std::span<const std::byte>(kBlob.head()));
  old.put(std::uint64_t{1});
  old.put(std::uint64_t{1234});
  old.put(std::uint32_t{5});
  old.put(std::uint32_t{2});
  old.put(xxh3(old.bytes()));
  EXPECT_EQ(*parse_trace(as_text(old.bytes()), kBlob), (Points{{.offset = 1234, .ms = 5, .missed = 2, .bytes = 0}}));
}

// Cells of their own.
constexpr std::uint64_t at(std::uint64_t number) { return number * kTraceCell; }

TEST(ReadTrace, KeepsAPointUntilManyRunsDidNotComeToIt) {
  Points trace = merge_traces(Points{{at(1), 1, 0, 9}, {at(2), 2, 0}}, {});
  for (std::uint32_t run = 1; run <= kMostMissedRuns; ++run) {
    trace = merge_traces(Points{{at(3), 9, 0}}, trace);
    EXPECT_EQ(trace, (Points{{at(3), 9, 0}, {at(1), 1, run, 9}, {at(2), 2, run}}));
  }
  EXPECT_EQ(merge_traces(Points{{at(3), 9, 0}}, trace), (Points{{at(3), 9, 0}}));
  EXPECT_EQ(merge_traces(Points{{at(2) + 5, 7, 0}}, trace), (Points{{at(2) + 5, 7, 0}, {at(3), 9, 1}}));
}

TEST(ReadTrace, ForgetsAPointThatAnotherRunReadOtherwise) {
  const Points before{{.offset = at(4), .ms = 1, .bytes = 3 * kTraceCell}, {.offset = at(20), .ms = 2, .bytes = 3 * kTraceCell}};
  const Points now{{.offset = at(3), .ms = 7, .bytes = 4 * kTraceCell}, {.offset = at(20), .ms = 8, .bytes = kTraceCell}};
  EXPECT_EQ(merge_traces(now, before), (Points{now[0], now[1], {at(20), 2, 1, 3 * kTraceCell}}));
}

TEST(ReadTrace, NeverHasMoreThanItsLimitAndKeepsTheLatestRuns) {
  Points before;
  Points now;
  for (std::uint32_t i = 0; i < kMostTracePoints; ++i) before.push_back({at(i), i, 0}), now.push_back({at(10'000 + i), i, 0});
  now.resize(kMostTracePoints - 1);
  const Points merged = merge_traces(now, before);
  ASSERT_EQ(merged.size(), kMostTracePoints);
  EXPECT_EQ(merged.back(), (TracePoint{0, 0, 1}));
  EXPECT_TRUE(parse_trace(format_trace(kBlob, merged), kBlob));
}

TEST(TraceRecorder, NotesEachCellOnceWithItsTime) {
  const auto begin = TraceRecorder::Clock::now();
  TraceRecorder recorder(at(100), begin);
  EXPECT_EQ(recorder.note(at(70) + 3, 100, begin + 5ms), Noted::first);
  EXPECT_EQ(recorder.note(at(70), 9, begin + 6ms), Noted::known);
  EXPECT_EQ(recorder.note(at(3), 2 * kTraceCell, begin + 8ms), Noted::first);
  EXPECT_EQ(recorder.note(at(4), 1, begin + 8ms), Noted::known);
  EXPECT_EQ(recorder.note(at(4), kTraceCell + 1, begin + 9ms), Noted::first) << "its end is new";
  EXPECT_EQ(recorder.note(at(100), 1, begin), Noted::known) << "there is none";
  EXPECT_EQ(recorder.points(), (Points{{at(70) + 3, 5, 0, 100}, {at(3), 8, 0, 2 * kTraceCell}, {at(4), 9, 0, kTraceCell + 1}}));
}

TEST(TraceRecorder, MakesOnePointOfAReaderWhoGoesOn) {
  const auto begin = TraceRecorder::Clock::now();
  TraceRecorder recorder(at(1000), begin);
  for (std::uint64_t i = 0; i < 80; ++i) EXPECT_EQ(recorder.note(at(i), kTraceCell, begin + std::chrono::milliseconds(i)), Noted::first);
  EXPECT_EQ(recorder.points(), (Points{{0, 0, 0, 64 * kTraceCell}, {at(64), 64, 0, 16 * kTraceCell}})) << "a mebibyte at most";
}

TEST(TraceRecorder, EndsOnceWhenItsTimeIsOver) {
  const auto begin = TraceRecorder::Clock::now();
  TraceRecorder recorder(at(100), begin);
  EXPECT_EQ(recorder.note(at(1), 1, begin + kTraceLength), Noted::first);
  EXPECT_EQ(recorder.note(at(2), 1, begin + kTraceLength + 1ms), Noted::last);
  EXPECT_EQ(recorder.note(at(3), 1, begin), Noted::late);
  EXPECT_EQ(recorder.note(at(3), 1, begin), Noted::known);
  EXPECT_EQ(recorder.points().size(), 1U);
}

TEST(TraceRecorder, EndsOnceWhenItIsFull) {
  const auto begin = TraceRecorder::Clock::now();
  TraceRecorder recorder(at(kMostTracePoints + 10), begin);
  for (std::size_t i = 0; i + 1 < kMostTracePoints; ++i) EXPECT_EQ(recorder.note(at(i), 1, begin), Noted::first);
  EXPECT_EQ(recorder.note(at(kMostTracePoints - 1), 1, begin), Noted::last);
  EXPECT_EQ(recorder.note(at(kMostTracePoints), 1, begin), Noted::late);
  EXPECT_EQ(recorder.points().size(), kMostTracePoints);
}

}  // namespace
}  // namespace acetate
