#include "builder/dockerfile/words.h"

#include <gtest/gtest.h>

#include <map>

namespace acetate::dockerfile {
namespace {

const Lookup kEnvironment = [](std::string_view name) -> std::optional<std::string> {
  static const std::map<std::string_view, std::string> values = {
      {"HOME", "/root"}, {"EMPTY", ""}, {"TAGS", "one two  three"}, {"FILE", "src/lib/main.test.c"}, {"GREEK", "αβγαβγ"}, {"GRÖSSE", "3"}};
  const auto found = values.find(name);
  return found == values.end() ? std::nullopt : std::optional(found->second);
};

std::string expanded(std::string_view text) {
  const auto value = expand(text, kEnvironment);
  return value ? *value : "error: " + value.error().message();
}

std::vector<std::string> words(std::string_view text) {
  const auto value = expand_words(text, kEnvironment);
  return value ? *value : std::vector<std::string>{"error: " + value.error().message()};
}

TEST(Words, ReplacesVariablesPlainAndBraced) {
  EXPECT_EQ(expanded("$HOME/bin"), "/root/bin");
  EXPECT_EQ(expanded("${HOME}bin"), "/rootbin");
  EXPECT_EQ(expanded("[$NOBODY]"), "[]");
  EXPECT_EQ(expanded("$ $. $/"), "$ $. $/");
}

TEST(Words, TakesLettersOfAnyScriptForANamesOwn) {
  EXPECT_EQ(expanded("$GRÖSSE $GR $GRÖSSE–x"), "3  3–x");
  EXPECT_EQ(expanded("${GRÖSSE:-no} ${größe:-no}"), "3 no");
  EXPECT_EQ(expanded("$\xc3( $\xff"), "$\xc3( $\xff") << "no character";
}

TEST(Words, EndsWhereAStrangerNestsTooDeep) {
  const auto nested = [](int depth) {
    std::string text;
    for (int n = 0; n < depth; ++n) text += "${NOBODY:-";
    return text + "x" + std::string(static_cast<std::size_t>(depth), '}');
  };
  EXPECT_EQ(expanded(nested(200)), "x");
  EXPECT_EQ(expanded(nested(200'000)), "error: variables are nested more than 200 deep");
  EXPECT_EQ(expanded(nested(200) + nested(200)), "xx") << "one after another is no depth";
}

TEST(Words, NeverSetsPositionalAndSpecialParameters) {
  EXPECT_EQ(expanded("a$1b$@c$$d${0}e${#}f"), "abcdef");
  EXPECT_EQ(expanded("${1:-none}"), "none");
}

TEST(Words, LeavesSingleQuotedTextAlone) {
  EXPECT_EQ(expanded("'$HOME \\ \"'"), "$HOME \\ \"");
}

TEST(Words, KnowsThreeEscapesBetweenDoubleQuotes) {
  EXPECT_EQ(expanded(R"("\$HOME \" \\ \n")"), R"($HOME " \ \n)");
}

TEST(Words, TakesTheNextCharacterLiterallyAfterAnEscape) {
  EXPECT_EQ(expanded(R"(\$HOME \'a\' \n)"), "$HOME 'a' n");
  EXPECT_EQ(expanded("end\\"), "end");
}

TEST(Words, CanHaveAnotherEscapeCharacter) {
  EXPECT_EQ(*expand("`$HOME \\ $HOME", kEnvironment, {.escape = '`'}), "$HOME \\ /root");
}

TEST(Words, SubstitutesDefaultsAndAlternatives) {
  EXPECT_EQ(expanded("${NONE:-x} ${NONE-x} ${EMPTY:-x} [${EMPTY-x}]"), "x x x []");
  EXPECT_EQ(expanded("[${NONE:+x}] [${EMPTY:+x}] ${EMPTY+x} ${HOME:+x}"), "[] [] x x");
  EXPECT_EQ(expanded("${NONE:-${HOME:-y}/z}"), "/root/z");
}

TEST(Words, FailsWithTheMessageOfAMandatoryVariable) {
  EXPECT_EQ(expanded("${HOME:?must be there}"), "/root");
  EXPECT_EQ(expanded("${NONE:?must be there}"), "error: NONE: must be there");
  EXPECT_EQ(expanded("${EMPTY:?}"), "error: EMPTY: is not allowed to be empty");
  EXPECT_EQ(expanded("[${EMPTY?}]"), "[]");
  EXPECT_EQ(expanded("${NONE?}"), "error: NONE: is not allowed to be unset");
}

TEST(Words, TrimsPatternsFromBothEnds) {
  EXPECT_EQ(expanded("${FILE#*/}"), "lib/main.test.c");
  EXPECT_EQ(expanded("${FILE##*/}"), "main.test.c");
  EXPECT_EQ(expanded("${FILE%.*}"), "src/lib/main.test");
  EXPECT_EQ(expanded("${FILE%%.*}"), "src/lib/main");
  EXPECT_EQ(expanded("${FILE#nothing}"), "src/lib/main.test.c");
}

TEST(Words, ReplacesTheFirstOrEveryMatch) {
  EXPECT_EQ(expanded("${FILE/\\//:}"), "src:lib/main.test.c");
  EXPECT_EQ(expanded("${FILE//\\//:}"), "src:lib:main.test.c");
  EXPECT_EQ(expanded("${GREEK//β/b}"), "αbγαbγ");
  EXPECT_EQ(expanded("${GREEK/?β/x}"), "xγαβγ");
}

TEST(Words, RefusesBadSubstitutions) {
  for (const char* text : {"${}", "${:-x}", "${{x}", "${HOME", "${HOME:=x}", "${HOME:x}", "${.}", "'open", "\"open"})
    EXPECT_FALSE(expand(text, kEnvironment)) << text;
}

TEST(Words, SplitsAtUnquotedBlanksAlsoOfVariables) {
  EXPECT_EQ(words("a$TAGS \"$TAGS\""), (std::vector<std::string>{"aone", "two", "three", "one two  three"}));
  EXPECT_EQ(words("  a\\ b\t c  "), (std::vector<std::string>{"a b", "c"}));
}

TEST(Words, LeaveWhatIsAskedToBeLeft) {
  const WordOptions raw{.raw_quotes = true, .raw_escapes = true, .skip_unset = true};
  EXPECT_EQ(*expand(R"("a" '$b' \c $NONE ${NONE:-x})", kEnvironment, raw), R"("a" '$b' \c $NONE ${NONE:-x})");
  EXPECT_EQ(*expand(R"(say "$HOME" 'it')", kEnvironment, {.plain_quotes = true}), R"(say "/root" 'it')");
}

TEST(Pattern, MatchesWholeTextsOnly) {
  EXPECT_TRUE(matches_pattern("a*c", "abbc"));
  EXPECT_TRUE(matches_pattern("a*b*c", "abxbyc"));
  EXPECT_TRUE(matches_pattern("*", ""));
  EXPECT_TRUE(matches_pattern("\\*", "*"));
  EXPECT_FALSE(matches_pattern("a*c", "abcd"));
  EXPECT_FALSE(matches_pattern("?", ""));
  EXPECT_TRUE(matches_pattern("?", "ß"));
}

}  // namespace
}  // namespace acetate::dockerfile
