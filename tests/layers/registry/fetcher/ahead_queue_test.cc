#include "layers/registry/fetcher/ahead_queue.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

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
  EXPECT_THAT(asked(kBegin), ElementsAre(0, 1));
  EXPECT_THAT(asked(kBegin + 1h), IsEmpty()) << "before any of them has come";
}

TEST_F(AheadQueueTest, AsksForWhatTheLinkBringsInHalfASecond) {
  queue_.put(kBlob, pieces(90));
  ASSERT_THAT(asked(kBegin), SizeIs(2));
  come(2);
  ASSERT_THAT(asked(kBegin + 200ms), SizeIs(5));
  come(5);
  EXPECT_THAT(asked(kBegin + 201ms), SizeIs(16)) << "and never more than that";
  come(16);
  EXPECT_THAT(asked(kBegin + 1h), SizeIs(1)) << "and a piece when it is slow";
}

TEST_F(AheadQueueTest, AsksForMoreWhenAQuarterIsLeft) {
  queue_.put(kBlob, pieces(90));
  ASSERT_THAT(asked(kBegin), SizeIs(2));
  come(2);
  ASSERT_THAT(asked(kBegin + 125ms), SizeIs(8));
  come(5);
  EXPECT_THAT(asked(kBegin + 500ms), IsEmpty());
  come(1);
  EXPECT_THAT(asked(kBegin + 500ms), SizeIs(8));
}

TEST_F(AheadQueueTest, LeavesForLaterWhatReadersComeToMuchLater) {
  queue_.put(kBlob, pieces(90, 300));
  ASSERT_THAT(asked(kBegin), ElementsAre(0, 300));
  come(2);
  EXPECT_THAT(asked(kBegin + 10ms), ElementsAre(600, 900)) << "though the link would bring more";
}

TEST_F(AheadQueueTest, TakesOfAllBlobsWhatComesFirst) {
  queue_.put(kBlob, pieces(2, 10));
  queue_.put(kOther, pieces(2, 10, 5));
  ASSERT_THAT(asked(kBegin), ElementsAre(0, 5));
  EXPECT_EQ(under_way_[1].blob, kOther);
  come(2);
  EXPECT_THAT(asked(kBegin + 1ms), ElementsAre(10, 15));
}

TEST_F(AheadQueueTest, IsAheadOfAReaderWhoWantsWhatWaits) {
  queue_.put(kBlob, pieces(9));
  ASSERT_THAT(asked(kBegin), ElementsAre(0, 1));
  EXPECT_FALSE(queue_.wanted(kBlob, 0, 20));
  EXPECT_THAT(asked(kBegin), IsEmpty()) << "what was asked for already";
  EXPECT_FALSE(queue_.wanted(kOther, 32, 33));
  EXPECT_THAT(asked(kBegin), IsEmpty()) << "another blob";
  EXPECT_TRUE(queue_.wanted(kBlob, 50, 70));
  EXPECT_THAT(asked(kBegin), ElementsAre(2, 3)) << "the next volley at once";
  EXPECT_TRUE(queue_.wanted(kBlob, 70, 71));
  EXPECT_THAT(asked(kBegin), ElementsAre(4, 5));
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
