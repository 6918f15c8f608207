#include "fs/kernel_lookups.h"

#include <gtest/gtest.h>

namespace acetate::fs {
namespace {

TEST(KernelLookups, TheFirstAndTheLastAreTold) {
  KernelLookups lookups;
  EXPECT_FALSE(lookups.any());
  EXPECT_TRUE(lookups.add());
  EXPECT_FALSE(lookups.add());
  EXPECT_TRUE(lookups.any());
  EXPECT_FALSE(lookups.take(1));
  EXPECT_TRUE(lookups.take(1));
  EXPECT_FALSE(lookups.any());
}

TEST(KernelLookups, WhereThereAreNoneNoneIsTaken) {
  KernelLookups lookups;
  EXPECT_FALSE(lookups.take(1));
  EXPECT_FALSE(lookups.clear());
}

TEST(KernelLookups, MoreThanThereWereIsAllOfThem) {
  KernelLookups lookups;
  lookups.add();
  EXPECT_TRUE(lookups.take(std::uint64_t{1} << 40));
  EXPECT_FALSE(lookups.any());
}

TEST(KernelLookups, AtTheEndOfTheNumbersNothingIsForgottenTooEarly) {
  KernelLookups lookups(KernelLookups::kMost - 1);
  EXPECT_FALSE(lookups.add());
  EXPECT_FALSE(lookups.add());
  EXPECT_FALSE(lookups.take(KernelLookups::kMost));
  EXPECT_TRUE(lookups.any());
  EXPECT_TRUE(lookups.clear());
}

}  // namespace
}  // namespace acetate::fs
