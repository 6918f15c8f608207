#include "layers/registry/fetcher/spare_blocks.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace acetate::registry {
namespace {

using testing::ElementsAre;

const Digest kA = Digest::of("a"), kB = Digest::of("b");

std::vector<std::byte> block(char letter) { return std::vector(10, static_cast<std::byte>(letter)); }

TEST(SpareBlocks, SaysOnceThatThereWasNoRoom) {
  SpareBlocks spare;
  EXPECT_TRUE(spare.put(kA, 1, block('x')));
  EXPECT_FALSE(spare.put(kA, 2, block('y')));
  EXPECT_EQ(spare.find(kA, 1), block('x'));
  EXPECT_EQ(spare.find(kB, 1), std::nullopt);
  EXPECT_THAT(spare.among(kA, 0, 2), ElementsAre(1));
  spare.drop(kA, 1);
  EXPECT_FALSE(spare.has(kA, 1));
  EXPECT_THAT(spare.among(kA, 0, 9), ElementsAre(2));
}

TEST(SpareBlocks, ForgetsWhatNobodyAskedForLongest) {
  SpareBlocks spare(30);
  spare.put(kA, 1, block('x'));
  spare.put(kA, 2, block('y'));
  spare.put(kB, 1, block('z'));
  EXPECT_EQ(spare.find(kA, 1), block('x'));
  spare.put(kB, 2, block('w'));
  EXPECT_FALSE(spare.has(kA, 2));
  EXPECT_TRUE(spare.has(kA, 1));
  EXPECT_THAT(spare.among(kB, 0, 9), ElementsAre(1, 2));
  spare.drop(kB, 1);
  spare.put(kA, 3, block('v'));
  EXPECT_TRUE(spare.has(kA, 1)) << "there is room";
}

}  // namespace
}  // namespace acetate::registry
