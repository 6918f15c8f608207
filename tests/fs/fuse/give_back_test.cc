// fs/fuse/give_back.h: when the memory of forgotten inodes goes back.
#include "fs/fuse/give_back.h"

#include <gtest/gtest.h>

namespace acetate::fs {
namespace {

TEST(GiveBack, IsDueOnceWhenMostOfManyInodesAreGone) {
  GiveBack memory;
  EXPECT_FALSE(memory.is_due(60000));
  EXPECT_FALSE(memory.is_due(30000));
  EXPECT_TRUE(memory.is_due(14999));
  EXPECT_FALSE(memory.is_due(14998));
  EXPECT_FALSE(memory.is_due(4000));
  EXPECT_TRUE(memory.is_due(3000));
}

TEST(GiveBack, IsNeverDueForFewInodes) {
  GiveBack memory;
  EXPECT_FALSE(memory.is_due(GiveBack::kMany - 1));
  EXPECT_FALSE(memory.is_due(0));
}

}  // namespace
}  // namespace acetate::fs
