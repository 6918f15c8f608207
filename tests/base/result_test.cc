#include "base/result.h"

#include <gtest/gtest.h>

namespace acetate {
namespace {

Result<int> half(int value) {
  if (value % 2 != 0) return Error(EINVAL);
  return value / 2;
}

Result<int> quarter(int value) { return TRY(half(TRY(half(value)))); }

Result<void> check(int value) {
  TRY_WITHIN(half(value), "halving {}", value);
  return {};
}

Result<std::unique_ptr<int>> owned(int value) {
  auto pointer = std::make_unique<int>(TRY(half(value)));
  return pointer;
}

TEST(Result, TryPassesValuesOnAndErrorsUp) {
  EXPECT_EQ(*quarter(8), 2);
  EXPECT_TRUE(quarter(6).error().is(EINVAL));
  EXPECT_EQ(**owned(8), 4);
}

TEST(Result, WordsAreAddedInFront) {
  EXPECT_TRUE(check(2));
  EXPECT_EQ(check(3).error().message(), "halving 3: Invalid argument");
  EXPECT_EQ(check(3).error().code(), EINVAL);
}

TEST(Error, IsSmallAndBareWithoutWords) {
  EXPECT_LE(sizeof(Error), 16U);
  EXPECT_EQ(Error(ENOENT).message(), "No such file or directory");
}

}  // namespace
}  // namespace acetate
