// fs/fuse/privileges.h: who leaves suid standing.
#include "fs/fuse/privileges.h"

#include <gtest/gtest.h>

namespace acetate::fs {
namespace {

constexpr const char* kFirst = "user:[4026531837]";

TEST(Fsetid, IsOneBitOfTheEffectiveCapabilitiesInTheFirstNamespace) {
  EXPECT_TRUE(tells("Name:\tsh\nCapPrm:\t0000000000000000\nCapEff:\t0000000000000010\n", kFirst, CAP_FSETID));
  EXPECT_TRUE(tells("Name:\tsh\nCapEff:\t000001ffffffffff\n", kFirst, CAP_FSETID));
  EXPECT_FALSE(tells("Name:\tsh\nCapEff:\t000001ffffffffef\n", kFirst, CAP_FSETID));
  EXPECT_FALSE(tells("Name:\tsh\nCapEff:\t000001ffffffffff\n", "user:[4026532208]", CAP_FSETID));
}

TEST(Fsetid, IsNotThereWhenNothingIsKnown) {
  EXPECT_FALSE(tells("", kFirst, CAP_FSETID));
  EXPECT_FALSE(tells("Name:\tCapEff:\nCapEff:\tx\n", kFirst, CAP_FSETID));
  EXPECT_FALSE(has(0, CAP_FSETID));
}

}  // namespace
}  // namespace acetate::fs
