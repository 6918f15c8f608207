#include "layers/registry/fetcher/ahead_queue.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

namespace acetate::registry {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

const Digest kBlob = Digest::of("one"), kOther = Digest::of("other");
constexpr AheadQueue::Clock::time_point kBegin{1h};

// Pieces of a mebibyte, to which readers come `apart` one after the other.
std::vector<OrderedRun> pieces(std::uint32_t count, std::uint32_t apart = 1, std::uint32_t from_ms = 0) {
  std::vector<OrderedRun> runs;
  for (std::uint32_t i = 0; i < count; ++i) runs.push_back({i * 16U, i * 16U + 16, from_ms + i * apart});
  return runs;
}

class AheadQueueTest : public testing::Test {
 protected:
  AheadQueue queue_;
  std::vector<AheadQueue::Piece> under_way_;

  // What is to be asked for now.
  std::vector<std::uint32_t> asked(AheadQueue::Clock::time_point now) {
    std::vector<std::uint32_t> times;
    while (const auto piece = queue_.next(now)) {
      times.push_back(piece->run.ms);
      under_way_.push_back(*piece);
    }
    return times;
  }
  void come(std::size_t count) {
    for (; count > 0; --count) {
      queue_.came(under_way_.front());
      under_way_.erase(under_way_.begin());
    }
  }
};

TEST_F(AheadQueueTest, BeginsWithLittleInTheOrderOfTime) {
  queue_.put(kBlob, pieces(9));
  EXPECT_THAT(asked(kBegin), ElementsAre(0, 1, 2, 3));
  EXPECT_THAT(asked(kBegin + 1h), IsEmpty()) << "before any of them has come";
}

TEST_F(AheadQueueTest, AsksForWhatTheLinkBringsInHalfASecond) {
  queue_.put(kBlob, pieces(90));
  ASSERT_THAT(asked(kBegin), SizeIs(4));
  come(4);
  ASSERT_THAT(asked(kBegin + 200ms), SizeIs(10));
  come(10);
  EXPECT_THAT(asked(kBegin + 201ms), SizeIs(16)) << "and never more than that";
  come(16);
  EXPECT_THAT(asked(kBegin + 1h), SizeIs(1)) << "and a piece when it is slow";
}

TEST_F(AheadQueueTest, AsksForMoreWhenAQuarterIsLeft) {
  queue_.put(kBlob, pieces(90));
  ASSERT_THAT(asked(kBegin), SizeIs(4));
  come(4);
  ASSERT_THAT(asked(kBegin + 250ms), SizeIs(8));
  come(5);
  EXPECT_THAT(asked(kBegin + 625ms), IsEmpty());
  come(1);
  EXPECT_THAT(asked(kBegin + 625ms), SizeIs(8));
}

TEST_F(AheadQueueTest, LeavesForLaterWhatReadersComeToMuchLater) {
  queue_.put(kBlob, pieces(90, 300));
  ASSERT_THAT(asked(kBegin), ElementsAre(0, 300));
  come(2);
  EXPECT_THAT(asked(kBegin + 10ms), ElementsAre(600, 900)) << "though the link would bring more";
}

TEST_F(AheadQueueTest, AsksTogetherForWhatLiesSideBySide) {
  queue_.put(kBlob, {{40, 41, 1}, {8, 9, 2}, {42, 44, 3}, {9, 11, 4}, {47, 48, 5}, {20, 36, 6}, {36, 37, 7}});
  queue_.put(kOther, {{11, 12, 5}});
  std::vector<AheadQueue::Piece> pieces;
  while (const auto piece = queue_.next(kBegin)) pieces.push_back(*piece);
  const std::vector<AheadQueue::Piece> expected = {
      {kBlob, {40, 44, 1}}, {kBlob, {8, 11, 2}}, {kOther, {11, 12, 5}}, {kBlob, {47, 48, 5}}, {kBlob, {20, 36, 6}}, {kBlob, {36, 37, 7}}};
  ASSERT_EQ(pieces.size(), expected.size());
  for (const auto& each : expected)
    EXPECT_TRUE(std::ranges::any_of(pieces, [&](const auto& piece) { return piece.blob == each.blob && piece.run == each.run; })) << each.run.first;
  EXPECT_EQ(pieces.front().run.first, 40U) << "in the order of time";
  for (const auto& piece : pieces) queue_.came(piece);
  queue_.put(kBlob, {{100, 101, 9}});
  EXPECT_TRUE(queue_.next(kBegin + 1s)) << "and all of them are counted";
}

TEST_F(AheadQueueTest, TakesOfAllBlobsWhatComesFirst) {
  queue_.put(kBlob, pieces(4, 10));
  queue_.put(kOther, pieces(4, 10, 5));
  ASSERT_THAT(asked(kBegin), ElementsAre(0, 5, 10, 15));
  EXPECT_EQ(under_way_[1].blob, kOther);
  come(4);
  EXPECT_THAT(asked(kBegin + 1ms), ElementsAre(20, 25, 30, 35));
}

TEST_F(AheadQueueTest, IsAheadOfAReaderWhoWantsWhatWaits) {
  queue_.put(kBlob, pieces(9));
  ASSERT_THAT(asked(kBegin), ElementsAre(0, 1, 2, 3));
  EXPECT_FALSE(queue_.wanted(kBlob, 0, 40));
  EXPECT_THAT(asked(kBegin), IsEmpty()) << "what was asked for already";
  EXPECT_FALSE(queue_.wanted(kOther, 64, 65));
  EXPECT_THAT(asked(kBegin), IsEmpty()) << "another blob";
  EXPECT_TRUE(queue_.wanted(kBlob, 50, 70));
  EXPECT_THAT(asked(kBegin), ElementsAre(4, 5, 6, 7)) << "the next volley at once";
  EXPECT_TRUE(queue_.wanted(kBlob, 130, 131));
  EXPECT_THAT(asked(kBegin), ElementsAre(8));
}

TEST_F(AheadQueueTest, Forgets) {
  queue_.put(kBlob, pieces(9));
  queue_.put(kOther, pieces(9));
  ASSERT_TRUE(queue_.next(kBegin));
  queue_.forget(kBlob);
  queue_.forget(kOther);
  EXPECT_THAT(asked(kBegin + 1s), IsEmpty());
}

}  // namespace
}  // namespace acetate::registry
