#include "builder/dockerfile/ignore.h"

#include <gtest/gtest.h>

namespace acetate::dockerfile {
namespace {

bool ignored(std::string_view rules, std::string_view path) {
  const auto parsed = IgnoreRules::parse(rules);
  if (!parsed) {
    ADD_FAILURE() << parsed.error().message();
    return false;
  }
  return parsed->ignores(path);
}

TEST(IgnoreRules, MatchNamesFromTheRootOfTheContext) {
  EXPECT_TRUE(ignored("*.o\n", "a.o"));
  EXPECT_FALSE(ignored("*.o\n", "src/a.o"));
  EXPECT_TRUE(ignored("*/*.o\n", "src/a.o"));
  EXPECT_TRUE(ignored("/build/\n", "build"));
}

TEST(IgnoreRules, LeaveOutWhatIsBelowADirectory) {
  EXPECT_TRUE(ignored("build\n", "build/deep/file"));
  EXPECT_FALSE(ignored("build\n", "building"));
}

TEST(IgnoreRules, LetDoubleStarStandForAnyDirectories) {
  for (const char* path : {"a.o", "x/a.o", "x/y/a.o"}) EXPECT_TRUE(ignored("**/*.o\n", path)) << path;
  EXPECT_TRUE(ignored("a/**\n", "a/b/c"));
  EXPECT_TRUE(ignored("a/**/z\n", "a/z"));
  EXPECT_TRUE(ignored("a/**/z\n", "a/b/c/z"));
  EXPECT_FALSE(ignored("a/**/z\n", "a/b/c/zz"));
  EXPECT_TRUE(ignored("**\n", "anything/at/all"));
}

TEST(IgnoreRules, LetTheLastMatchDecide) {
  constexpr std::string_view rules = "*.md\n!README*.md\nREADME-secret.md\n";
  EXPECT_TRUE(ignored(rules, "x.md"));
  EXPECT_FALSE(ignored(rules, "README.md"));
  EXPECT_TRUE(ignored(rules, "README-secret.md"));
}

TEST(IgnoreRules, BringBackWhatIsInAnExceptedDirectory) {
  EXPECT_FALSE(ignored("**\n!keep\n", "keep/a/b"));
  EXPECT_TRUE(ignored("**\n!keep\n", "other"));
}

TEST(IgnoreRules, SkipCommentsAndCleanPaths) {
  EXPECT_FALSE(ignored("# *.c\n\n   \n", "a.c"));
  EXPECT_TRUE(ignored(" ./a/../b//c \n", "b/c"));
  EXPECT_TRUE(ignored(" #x\n", "#x"));
}

TEST(IgnoreRules, RefuseWhatMeansNothing) {
  EXPECT_EQ(IgnoreRules::parse("a\n!\n").error().message(), "line 2: a lone \"!\" excepts nothing");
  EXPECT_FALSE(IgnoreRules::parse("[a\n"));
}

TEST(PathPattern, KnowsClassesAndEscapes) {
  const auto matches = [](std::string_view pattern, std::string_view path) { return PathPattern::parse(pattern)->matches(path); };
  EXPECT_TRUE(matches("[a-c]x", "bx"));
  EXPECT_FALSE(matches("[a-c]x", "dx"));
  EXPECT_TRUE(matches("[^a-c]x", "dx"));
  EXPECT_TRUE(matches("\\*", "*"));
  EXPECT_FALSE(matches("\\*", "a"));
  EXPECT_TRUE(matches("a?c", "aßc"));
  EXPECT_FALSE(matches("a?c", "a/c"));
}

TEST(PathPattern, GivesUpOnPatternsMadeToTakeForever) {
  const std::string path(60, 'a');
  EXPECT_FALSE(PathPattern::parse("*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*b")->matches(path));
}

}  // namespace
}  // namespace acetate::dockerfile
