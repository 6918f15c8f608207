#include "base/number.h"

#include <gtest/gtest.h>

#include <cstdint>

namespace acetate {
namespace {

TEST(NumberOf, IsTheWholeTextOrNothing) {
  EXPECT_EQ(number_of<unsigned>("0"), 0U);
  EXPECT_EQ(number_of<unsigned>("007"), 7U);
  EXPECT_EQ(number_of<int>("-12"), -12);
  for (const char* text : {"", " 1", "1 ", "+1", "1x", "x", "0x1", "1.5", "-", "1\n"}) EXPECT_EQ(number_of<int>(text), std::nullopt) << text;
  EXPECT_EQ(number_of<unsigned>("-1"), std::nullopt);
  EXPECT_EQ(number_of<int>(std::string_view("1\0", 2)), std::nullopt);
}

TEST(NumberOf, DoesNotWrapAround) {
  EXPECT_EQ(number_of<std::uint32_t>("4294967295"), 4294967295U);
  EXPECT_EQ(number_of<std::uint32_t>("4294967296"), std::nullopt);
  EXPECT_EQ(number_of<std::uint64_t>("18446744073709551616"), std::nullopt);
}

TEST(NumberOf, TakesOtherBasesAndFractions) {
  EXPECT_EQ(number_of<std::uint64_t>("fF", 16), 255U);
  EXPECT_EQ(number_of<unsigned>("8", 8), std::nullopt);
  EXPECT_EQ(number_of<double>("1.5"), 1.5);
  EXPECT_EQ(number_of<double>("1.5s"), std::nullopt);
}

}  // namespace
}  // namespace acetate
