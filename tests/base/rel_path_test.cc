#include "base/rel_path.h"

#include <gtest/gtest.h>

namespace acetate {
namespace {

std::string cleaned(std::string_view text) {
  auto path = RelPath::parse(text);
  return path ? path->str() : "error " + std::to_string(path.error().code());
}

TEST(RelPath, CleansWhatIsHarmless) {
  EXPECT_EQ(cleaned(""), "");
  EXPECT_EQ(cleaned("/"), "");
  EXPECT_EQ(cleaned("./a//./b/"), "a/b");
  EXPECT_EQ(cleaned("...") , "...");
}

TEST(RelPath, RefusesDotDotAndNul) {
  EXPECT_EQ(cleaned("a/../b"), "error 22");
  EXPECT_EQ(cleaned(".."), "error 22");
  EXPECT_EQ(cleaned(std::string_view("a\0b", 3)), "error 22");
}

TEST(RelPath, ClampedGoesUpAndStopsAtTheRoot) {
  EXPECT_EQ(RelPath::parse_clamped("a/../../b/c/..")->str(), "b");
  EXPECT_EQ(RelPath::parse_clamped("../../..")->str(), "");
}

TEST(RelPath, KnowsItsParts) {
  const RelPath path = *RelPath::parse("usr/lib/libc.so");

  EXPECT_EQ(path.name(), "libc.so");
  EXPECT_EQ(path.parent().str(), "usr/lib");
  EXPECT_EQ(path.parent().child("x").str(), "usr/lib/x");
  EXPECT_TRUE(path.parent().contains(path));
  EXPECT_FALSE(RelPath::parse("usr/li")->contains(path));
  EXPECT_TRUE(RelPath().contains(path));
  EXPECT_EQ(path.components().size(), 3U);
}

}  // namespace
}  // namespace acetate
