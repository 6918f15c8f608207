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

// A pattern, a path, and whether it is left out. Facts of Docker's own matcher.
TEST(IgnoreRows, OfOnePattern) {
  struct Row {
    const char *pattern, *path;
    bool wanted;
  };
  static constexpr Row kRows[] = {
      // ** is any number of directories, and all that is in them.
      {"**", "a", true}, {"**", "a/b", true}, {"**/", "a", true}, {"**/", "a/b", true}, {"**/**", "a/b", true}, {"**/**", "a", true},
      {"d/**", "d/a", true}, {"d/**", "d/e/a", true}, {"d/**", "d", false}, {"d/**", "e/d/a", false}, {"d/**/", "d/a", true},
      {"**/d", "d", true}, {"**/d", "a/d", true}, {"**/d", "a/b/d", true}, {"**/d", "d/a", true}, {"**/d", "ad", false}, {"**/d", "a/bd", false},
      {"**/d/*", "d/a", true}, {"**/d/*", "a/d/b", true}, {"**/d/*", "d", false}, {"**/d/*", "a/d/b/c", true}, {"**/d/**", "a/d/b/c", true}, {"**/d/**", "a/d", false},
      {"**d", "d", true}, {"**d", "ad", true}, {"**d", "a/bd", true}, {"**d", "a/b/d", true}, {"**d", "da", false}, {"**.x", "a/b.x", true}, {"**d*", "ad", false}, {"**d*", "a/de", true}, {"**/d/e", "d/e", true}, {"**/d/e", "a/b/d/e", true},
      {"**/f*", "a/b/f", true}, {"**/f*", "a/b/f.x", true}, {"**/f*x", "a/f.x", true}, {"**/f*.x", "f.x", true}, {"**/f*.x*", "a/f.x", true}, {"**/f*.x*", "a/f.xy", true},
      {"**/**/*.x", "a/b/c.x", true}, {"**/**/*.x", "c.x", true}, {"**/**/*.y", "a/b/c.x", false}, {"**/*.x", "c.x", true}, {"**/.a", ".a", true}, {"**/.a", "b.a", false},
      {"a**/*.x", "a/b.x", true}, {"a**/*.x", "a/b/c.x", true}, {"a**/*.x", "ab/c/d/e.x", true}, {"a**b", "ab", true}, {"a**b", "a/c/b", true}, {"a/*.x**", "a/b.x", true},
      {"a/**/b", "a/b", true}, {"a/**/b", "a/c/b", true}, {"a/**/b", "a/c/d/b", true}, {"a/**/b", "ab", false}, {"a/**/b", "a/cb", false},
      // * and ? are within a name.
      {"*", "a", true}, {"*", "a/b", true}, {"a*", "a", true}, {"a*", "abc", true}, {"a*", "ab/c", true}, {"a*", "ba", false}, {"*a", "ba", true}, {"*a", "aaa", true}, {"*a", "ab", false},
      {"a/*.x", "a/b.x", true}, {"a/*.x", "a/b/c.x", false}, {"a/*.x", "b.x", false}, {"a*/b", "ac/b", true}, {"a*/b", "a/c/b", false}, {"a*b", "a/b", false}, {"a?b", "a/b", false},
      {"a?b", "acb", true}, {"a?b", "ab", false}, {"a?b", "accb", false}, {"a?b", "aßb", true}, {"a??b", "aßb", false}, {"a*b*c", "axbxc", true}, {"a*b*c", "axcxb", false},
      {"a*b?c*d", "aabbbcxcdd", true}, {"a*b?c*d", "aabbbcxcde", false}, {"a*b*/c", "axbx/c", true}, {"a*b*/c", "axb/x/c", false}, {"a*b*/c", "axb/cc", false},
      {".*", ".a", true}, {".*", "a", false}, {"*.*", "a.b", true}, {"*.*", "ab", false}, {"?", "ab", false}, {"??", "ab", true},
      // Classes of letters, of whatever writing.
      {"a[b-d]e", "ace", true}, {"a[b-d]e", "aae", false}, {"a[b-d]e", "ae", false}, {"a[^b-d]e", "aze", true}, {"a[^b-d]e", "ace", false}, {"[abc]", "b", true}, {"[abc]", "d", false},
      {"[a-cx-z]", "y", true}, {"[a-cx-z]", "m", false}, {"[^a]", "ß", true}, {"[^a][^a]", "ß", false}, {"[a-ζ]*", "αx", true}, {"*[a-ζ]", "A", false}, {"[日本]", "本", true}, {"[^日]", "日", false},
      {"[\\]a]", "]", true}, {"[\\-]", "-", true}, {"[a\\-]", "a", true}, {"[a\\-]", "-", true}, {"[a\\-]", "z", false}, {"[\\-a]", "-", true}, {"[\\-a]", "a", true}, {"[\\-a]", "b", false},
      {"[a-\\]]", "]", false}, {"[\\[]", "[", true}, {"[a]b", "ab", true}, {"[a]", "a/b", true}, {"[^x]", "/", false},
      // Everything else is itself.
      {"a", "a", true}, {"a", "a/b", true}, {"a", "b/a", false}, {"a.b", "a.b", true}, {"a.b", "acb", false}, {"a\\*b", "a*b", true}, {"a\\*b", "acb", false}, {"a\\\\", "a\\", true},
      {"a(b)c/d", "a(b)c/d", true}, {"a(b)c/d", "a(b)c/e", false}, {"a.|)$(}+{b", "a.|)$(}+{b", true}, {"a+1-b.c", "a+1-b.c", true}, {"a+1-*.c", "a+1-b.c", true}, {"\\a", "a", true},
      {"ä/ö", "ä/ö", true}, {"a b", "a b", true}, {"a#b", "a#b", true},
      // What is written is cleaned.
      {"/a", "a", true}, {"//a", "a", true}, {"./a", "a", true}, {"a/", "a", true}, {"a/", "a/b", true}, {"a//b", "a/b", true}, {"a/./b", "a/b", true}, {"a/../b", "b", true}, {"../a", "a", false},
      {"/../a", "a", true}, {".", "a", false}, {"/", "a", false}, {"./", "a", false}, {" a ", "a", true}, {"\ta\r", "a", true},
  };
  for (const Row& row : kRows) EXPECT_EQ(ignored(row.pattern, row.path), row.wanted) << row.pattern << " of " << row.path;
}

TEST(IgnoreRows, OfSeveralPatterns) {
  struct Row {
    const char *patterns, *path;
    bool wanted;
  };
  static constexpr Row kRows[] = {
      {"", "a", false},
      {"!a\n*", "a", true},
      {"*\n!a", "a", false},
      {"*\n!a", "b", true},
      {"d\n!d/a", "d/a", false},
      {"d\n!d/a", "d/b", true},
      {"d/\n!d/a", "d/a", false},
      {"d/*\n!d/a", "d/a", false},
      {"d/*\n!d/a", "d/b", true},
      {"**\n!d/e", "d/e/f", false},
      {"**\n!d/e\nd/e/f", "d/e/f", true},
      {"**\n!a+1-b.c", "a+1-b.c", false},
      {"**\n!d/*.c", "d/a.c", false},
      {"**\n!d/*.c", "d/a.h", true},
      {"! a\n*\n! b", "b", false},
      {"*\n!/a", "a", false},
      {"  *\n  !a", "a", false},
      {"*\n!a  ", "a", false},
      {"# *\n", "a", false},
      {"\xef\xbb\xbf*\n", "a", true},
      {"*\r\n!a\r\n", "a", false},
      {"*\r\n!a\r\n", "b", true},
      {"\n\n*", "a", true},
  };
  for (const Row& row : kRows) EXPECT_EQ(ignored(row.patterns, row.path), row.wanted) << row.patterns << " of " << row.path;
}

TEST(IgnoreRows, ThatAreNone) {
  for (const char* text : {"!", "a\n!\n", "! ", "[", "[^", "[^ab", "a[", "[]a]", "[]", "[-]", "[a-]", "[-a]", "[a-b-c]", "a\\", "\\", "[a\\", "[\\]", "!["})
    EXPECT_FALSE(IgnoreRules::parse(text)) << text;
  EXPECT_EQ(IgnoreRules::parse("a\n[x-]\n").error().message(), "line 2: the pattern \"[x-]\" has a class that is none: in [] a - or ] of its own is written \\- or \\]");
}

TEST(PathPattern, GivesUpOnPatternsMadeToTakeForever) {
  const std::string path(60, 'a');
  EXPECT_FALSE(PathPattern::parse("*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*b")->matches(path));
}

}  // namespace
}  // namespace acetate::dockerfile
