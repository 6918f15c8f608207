#include "fs/fuse/kernel_release.h"

#include <gtest/gtest.h>

namespace acetate::fs {
namespace {

TEST(KernelRelease, OpenMayBeLeftOutWhereReadingAheadHoldsTheInode) {
  for (const char* release : {"4.18.0-553.el8", "5.14.0-427.el9.x86_64", "5.4", "6.12.64", "6.12.90-1", "6.18.3", "6.18.44-fc-v657",
                              "6.19.0", "6.19-rc1", "7.0.1"})
    EXPECT_TRUE(may_leave_open_out(release)) << release;
  for (const char* release : {"5.15.196", "5.15.0-91-generic", "6.1.0-18-amd64", "6.9.1", "6.12.63", "6.12", "6.17.2", "6.18.2", "6.18-rc4",
                              "", "6", "six", "6.", "-6.18.3"})
    EXPECT_FALSE(may_leave_open_out(release)) << release;
}

TEST(KernelRelease, IsKnown) { EXPECT_FALSE(kernel_release().empty()); }

TEST(ChecksWhoSetsFlags, SinceFuseAnswersByFileattr) {
  for (const char* release : {"5.13", "5.14.0-427.el9.x86_64", "6.1.0-18-amd64", "7.0"}) EXPECT_TRUE(checks_who_sets_flags(release)) << release;
  for (const char* release : {"4.18.0-553.el8", "5.12.19", "5.4", "", "six"}) EXPECT_FALSE(checks_who_sets_flags(release)) << release;
}

TEST(MayPassThrough, SinceSizesAreRight) {
  for (const char* release : {"6.12", "6.12.1-arch", "6.18.44", "7.0"}) EXPECT_TRUE(may_pass_through(release)) << release;
  for (const char* release : {"6.9.12", "6.11.10", "5.15.0", "4.18", "", "FreeBSD"}) EXPECT_FALSE(may_pass_through(release)) << release;
}

}  // namespace
}  // namespace acetate::fs
