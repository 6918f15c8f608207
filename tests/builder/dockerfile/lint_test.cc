#include "builder/dockerfile/lint.h"

#include <gtest/gtest.h>

namespace acetate::dockerfile {
namespace {

using Words = std::vector<std::string>;

Words warnings(std::string_view text, std::string_view check = "", std::string_view ignore = "") {
  const auto lines = split_lines(text, "Dockerfile");
  const auto options = parse_check(check);
  const auto rules = IgnoreRules::parse(ignore);
  if (!lines || !options || !rules) return {"does not parse"};
  Words found;
  for (const LintWarning& warning : lint(*lines, *rules, *options))
    found.push_back(fmt::format("{} {}: {}", warning.place.first, warning.rule, warning.text));
  return found;
}

TEST(Lint, HasNothingAgainstAGoodFile) {
  EXPECT_EQ(warnings("ARG V=1\nFROM base:$V AS build\nWORKDIR /w\nCOPY . sub\nWORKDIR sub\nENV A=b KEYBOARD=us\nEXPOSE 80/tcp\n"
                     "RUN make\nCMD [\"a\"]\n"),
            Words{});
}

TEST(Lint, WarnsByNameAndPlace) {
  EXPECT_EQ(warnings("FROM a AS One\n"), Words{"1 StageNameCasing: Stage name 'One' should be lowercase"});
  EXPECT_EQ(warnings("FROM a as one\n"), Words{"1 FromAsCasing: 'as' and 'FROM' keywords' casing do not match"});
  EXPECT_EQ(warnings("FROM a\nrun x\nRUN y\n"),
            Words{"2 ConsistentInstructionCasing: Command 'run' should match the case of the command majority (uppercase)"});
  EXPECT_EQ(warnings("FROM a AS b\nFROM c AS b\n"), Words{"2 DuplicateStageName: Duplicate stage name \"b\", stage names should be unique"});
  EXPECT_EQ(warnings("FROM a AS scratch\n"), Words{"1 ReservedStageName: Stage name should not use the same name as reserved stage \"scratch\""});
  EXPECT_EQ(warnings("FROM a\nCMD x\n"),
            Words{"2 JSONArgsRecommended: JSON arguments recommended for CMD to prevent unintended behavior related to OS signals"});
  EXPECT_EQ(warnings("FROM a\nSHELL [\"s\"]\nCMD x\n"), Words{});
  EXPECT_EQ(warnings("FROM a\nMAINTAINER me\n"), Words{"2 MaintainerDeprecated: Maintainer instruction is deprecated in favor of using label"});
  EXPECT_EQ(warnings("FROM a:$X\n"), Words{"1 UndefinedArgInFrom: FROM argument 'X' is not declared"});
  EXPECT_EQ(warnings("ARG X\nFROM a:$X\n"), Words{"2 InvalidDefaultArgInFrom: Default value for ARG a:$X results in empty or invalid base image name"});
  EXPECT_EQ(warnings("FROM a\nWORKDIR b\n"), Words{"2 WorkdirRelativePath: Relative workdir \"b\" can have unexpected results if the base image changes"});
  EXPECT_EQ(warnings("FROM a\nCMD [\"a\"]\nCMD [\"b\"]\nFROM b\nCMD [\"c\"]\n"),
            Words{"2 MultipleInstructionsDisallowed: Multiple CMD instructions should not be used in the same stage because only the last one will be used"});
  EXPECT_EQ(warnings("FROM a\nENV a b\n"), Words{"2 LegacyKeyValueFormat: \"ENV key=value\" should be used instead of legacy \"ENV key value\" format"});
  EXPECT_EQ(warnings("FROM --platform=$TARGETPLATFORM a\n"),
            Words{"1 RedundantTargetPlatform: Setting platform to predefined $TARGETPLATFORM in FROM is redundant as this is the default behavior"});
  EXPECT_EQ(warnings("FROM --platform=linux/arm64 a\n"),
            Words{"1 FromPlatformFlagConstDisallowed: FROM --platform flag should not use constant value \"linux/arm64\""});
  EXPECT_EQ(warnings("FROM --platform=linux/arm64 a AS build-arm64\n"), Words{});
  EXPECT_EQ(warnings("FROM a\nARG DB_PASSWORD\nENV PUBLIC_KEY=1 api_token=2\n"),
            (Words{"2 SecretsUsedInArgOrEnv: Do not use ARG or ENV instructions for sensitive data (ARG \"DB_PASSWORD\")",
                   "3 SecretsUsedInArgOrEnv: Do not use ARG or ENV instructions for sensitive data (ENV \"api_token\")"}));
  EXPECT_EQ(warnings("FROM a\nEXPOSE 80/TCP\n"), Words{"2 ExposeProtoCasing: Defined protocol '80/TCP' in EXPOSE instruction should be lowercase"});
  EXPECT_EQ(warnings("FROM a\nEXPOSE 1.2.3.4:80:80\n"),
            Words{"2 ExposeInvalidFormat: EXPOSE instruction should not define an IP address or host-port mapping, found '1.2.3.4:80:80'"});
  EXPECT_EQ(warnings("FROM a\nCOPY x /\n", "", "x\n"), Words{"2 CopyIgnoredFile: Attempting to Copy file \"x\" that is excluded by .dockerignore"});
  EXPECT_EQ(warnings("FROM a\nCOPY --from=b x /\n", "", "x\n"), Words{});
}

TEST(Lint, SkipsWhatItIsTold) {
  EXPECT_EQ(warnings("FROM a as One\n", "skip=FromAsCasing,StageNameCasing"), Words{});
  EXPECT_EQ(warnings("FROM a as One\n", "skip=all;error=true"), Words{});
  EXPECT_TRUE(parse_check("skip=all;error=true")->error);
  EXPECT_FALSE(parse_check("skp=all"));
}

TEST(Lint, KnowsWhereItsRulesAreExplained) {
  EXPECT_EQ((LintWarning{"JSONArgsRecommended", "", {}}.url()), "https://docs.docker.com/go/dockerfile/rule/json-args-recommended/");
  EXPECT_EQ((LintWarning{"FromAsCasing", "", {}}.url()), "https://docs.docker.com/go/dockerfile/rule/from-as-casing/");
}

}  // namespace
}  // namespace acetate::dockerfile
