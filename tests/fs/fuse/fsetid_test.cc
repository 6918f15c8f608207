// fs/fuse/fsetid.h: who leaves suid standing.
#include "fs/fuse/fsetid.h"

#include <gtest/gtest.h>

namespace acetate::fs {
namespace {

constexpr const char* kFirst = "user:[4026531837]";

TEST(Fsetid, IsOneBitOfTheEffectiveCapabilitiesInTheFirstNamespace) {
  EXPECT_TRUE(tells_fsetid("Name:\tsh\nCapPrm:\t0000000000000000\nCapEff:\t0000000000000010\n", kFirst));
  EXPECT_TRUE(tells_fsetid("Name:\tsh\nCapEff:\t000001ffffffffff\n", kFirst));
  EXPECT_FALSE(tells_fsetid("Name:\tsh\nCapEff:\t000001ffffffffef\n", kFirst));
  EXPECT_FALSE(tells_fsetid("Name:\tsh\nCapEff:\t000001ffffffffff\n", "user:[4026532208]"));
}

TEST(Fsetid, IsNotThereWhenNothingIsKnown) {
  EXPECT_FALSE(tells_fsetid("", kFirst));
  EXPECT_FALSE(tells_fsetid("Name:\tCapEff:\nCapEff:\tx\n", kFirst));
  EXPECT_FALSE(has_fsetid(0));
}

}  // namespace
}  // namespace acetate::fs
