#include "fs/lowerdir.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "fs/mount.h"

namespace acetate::fs {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST(SplitLowers, SplitsAtColonsTopFirst) {
  EXPECT_THAT(*split_lowers("/a:/b:relative"), ElementsAre("/a", "/b", "relative"));
  EXPECT_THAT(*split_lowers(""), IsEmpty());
}

TEST(SplitLowers, BothEscapingsOfAColonAreAColon) {
  EXPECT_THAT(*split_lowers(R"(/a\:b:/c)"), ElementsAre("/a:b", "/c"));
  EXPECT_THAT(*split_lowers(R"(/a\\:b:/c)"), ElementsAre("/a:b", "/c"));
}

TEST(SplitLowers, FourBackslashesAreOneAndSeparate) {
  EXPECT_THAT(*split_lowers(R"(/a\\\\:/b)"), ElementsAre(R"(/a\)", "/b"));
}

TEST(SplitLowers, DataLayersAreRefusedAndNotShownAsOthers) {
  for (const char* value : {"/a::/b", "/a:/b::/c::/d", ":/a::/b", "::/a", "/a::"}) {
    const auto refused = split_lowers(value);
    ASSERT_FALSE(refused) << value;
    EXPECT_EQ(refused.error().code(), ENOTSUP);
    EXPECT_THAT(refused.error().message(), HasSubstr(value));
  }
  EXPECT_THAT(*split_lowers(R"(/a\:\::/b)"), ElementsAre("/a::", "/b"));
  EXPECT_THAT(*split_lowers(":/a:"), ElementsAre("/a"));
}

TEST(SplitLowers, OctalIsDecoded) { EXPECT_THAT(*split_lowers(R"(/with\040space)"), ElementsAre("/with space")); }

TEST(SplitOptions, SplitsAtCommasThatAreNotEscaped) {
  EXPECT_THAT(split_options("a,b=1,,c"), ElementsAre("a", "b=1", "c"));
  EXPECT_THAT(split_options(R"(lowerdir=/x\,y,ro)"), ElementsAre(R"(lowerdir=/x\,y)", "ro"));
}

TEST(SplitOptions, QuotesHoldAContextTogetherAndAreALetterElsewhere) {
  EXPECT_THAT(split_options(R"(context="a:b:c1,c2",ro)"), ElementsAre(R"(context="a:b:c1,c2")", "ro"));
  EXPECT_THAT(split_options(R"(lowerdir=/a"b,upperdir=/u)"), ElementsAre(R"(lowerdir=/a"b)", "upperdir=/u"));
}

// Whatever a path is called, what mount.cc writes is what the daemon reads.
TEST(OptionLine, IsReadBackUnchangedForAnyPath) {
  constexpr unsigned kSeed = 20261123;
  std::mt19937 random(kSeed);
  constexpr std::string_view kLetters = R"(abc0147/ :,\"'=+.-)";
  auto path = [&] {
    std::string text = "/";
    for (auto i = random() % 12 + 1; i > 0; --i) text += kLetters[random() % kLetters.size()];
    return text;
  };
  for (int round = 0; round < 20000; ++round) {
    MountRequest request;
    for (auto i = random() % 4 + 1; i > 0; --i) request.lowers.push_back(path());
    request.upper = path();
    request.work = path();
    request.options = {"volatile"};
    const std::string line = option_line(request);

    const auto options = split_options(line);

    ASSERT_EQ(options.size(), 4U) << line;
    ASSERT_EQ(*split_lowers(options[0].substr(9)), request.lowers) << line;
    ASSERT_EQ(unescape_path(options[1].substr(9)), *request.upper) << line;
    ASSERT_EQ(unescape_path(options[2].substr(8)), *request.work) << line;
    ASSERT_EQ(options[3], "volatile");
  }
}

}  // namespace
}  // namespace acetate::fs
