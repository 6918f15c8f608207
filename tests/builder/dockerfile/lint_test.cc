#include "builder/dockerfile/lint.h"

#include <gtest/gtest.h>

namespace acetate::dockerfile {
namespace {

using Words = std::vector<std::string>;

// An image called "here" is known, and has a variable; one called "all" is here for every platform.
std::optional<BaseFacts> find_base(const std::string& image, const std::string& platform) {
  if (image == "all") return BaseFacts{.env = {}, .platform = platform};
  if (image != "here") return std::nullopt;
  return BaseFacts{.env = {"JAVA_HOME=/opt"}, .platform = "linux/arm64/v8"};
}

Words warnings(std::string_view text, std::string_view check = "", std::string_view ignore = "") {
  const auto lines = split_lines(text, "Dockerfile");
  const auto options = parse_check(check);
  const auto rules = IgnoreRules::parse(ignore);
  if (!lines || !options || !rules) return {"does not parse"};
  const LintSurroundings around{.ignore = &*rules, .build_args = {{"GIVEN", "1"}}, .platform = "linux/amd64", .find_base = find_base};
  Words found;
  for (const LintWarning& warning : lint(*lines, around, *options))
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
  EXPECT_EQ(warnings("FROM a:1$X\n"), Words{"1 UndefinedArgInFrom: FROM argument 'X' is not declared"});
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

TEST(Lint, NamesVariablesThatNothingDefines) {
  EXPECT_EQ(warnings("FROM scratch\nCOPY $foo .\nARG foo=bar\n"), Words{"2 UndefinedVar: Usage of undefined variable '$foo'"});
  EXPECT_EQ(warnings("FROM scratch\nARG DIR_ASSETS=a/\nCOPY $DIR_ASSET .\n"),
            Words{"3 UndefinedVar: Usage of undefined variable '$DIR_ASSET' (did you mean $DIR_ASSETS?)"});
  EXPECT_EQ(warnings("FROM scratch\nENV PATH=$PAHT:/bin\n"),
            Words{"2 UndefinedVar: Usage of undefined variable '$PAHT' (did you mean $PATH?)"});
  EXPECT_EQ(warnings("FROM scratch\nRUN --mount=type=cache,target=/c,id=$none x $y\n"),
            Words{"2 UndefinedVar: Usage of undefined variable '$none'"});
  EXPECT_EQ(warnings("FROM scratch\nCOPY <<A <<'B' /d/\n$in\nA\n$out\nB\n"), Words{"2 UndefinedVar: Usage of undefined variable '$in'"});
  EXPECT_EQ(warnings("FROM scratch\nARG foo\nCOPY a${foo} .\nENV a=1 b=$a\n"), Words{"4 UndefinedVar: Usage of undefined variable '$a'"});
}

TEST(Lint, SaysOfStagesThatAreNotBuiltOnlyWhatTheirFormShows) {
  const auto lines = split_lines("FROM scratch AS One\nCOPY $x .\nWORKDIR rel\nFROM scratch AS two\nCOPY $y .\n", "Dockerfile");
  ASSERT_TRUE(lines);
  const auto found = lint(*lines, {.built = std::vector<std::size_t>{1}}, {});
  ASSERT_EQ(found.size(), 2U);
  EXPECT_EQ(found[0].rule, "StageNameCasing");
  EXPECT_EQ(found[1].text, "Usage of undefined variable '$y'");
}

TEST(Lint, DescribesItsRules) {
  EXPECT_EQ((LintWarning{.rule = "StageNameCasing", .text = {}, .place = {}}.description()), "Stage names should be lowercase");
  EXPECT_EQ((LintWarning{.rule = "NoSuchRule", .text = {}, .place = {}}.description()), "");
}

TEST(Lint, KnowsWhereVariablesComeFrom) {
  EXPECT_EQ(warnings("ARG G=1\nFROM scratch AS base\nARG foo=x\nFROM base\nARG G GIVEN\nCOPY $foo $G $GIVEN .\n"), Words{});
  EXPECT_EQ(warnings("FROM scratch AS a\nCOPY $x .\nFROM scratch AS b\nCOPY $y .\n"),
            (Words{"2 UndefinedVar: Usage of undefined variable '$x'", "4 UndefinedVar: Usage of undefined variable '$y'"}));
  EXPECT_EQ(warnings("FROM here\nWORKDIR $JAVA_HOME\n", "skip=InvalidBaseImagePlatform"), Words{});
  // Of an image that is not here nobody knows, and a slip is seen all the same.
  EXPECT_EQ(warnings("FROM elsewhere\nWORKDIR $JAVA_HOME\n"), Words{});
  EXPECT_EQ(warnings("FROM elsewhere\nENV PATH=$PAHT\n"),
            Words{"2 UndefinedVar: Usage of undefined variable '$PAHT' (did you mean $PATH?)"});
  EXPECT_EQ(warnings("FROM golang\nWORKDIR $GOPATH/src\nENV PATHS=$PATHS:/x MANPATH=$MANPATH\n"), Words{});
  EXPECT_EQ(warnings("FROM scratch\nWORKDIR $GOPATH/src\n"),
            Words{"2 UndefinedVar: Usage of undefined variable '$GOPATH' (did you mean $PATH?)"});
}

TEST(Lint, KnowsTheArgumentsThatThePlatformGives) {
  EXPECT_EQ(warnings("FROM --platform=$BUILDPLATFORM golang AS b\nARG TARGETOS TARGETARCH BUILDPLATFORM\nWORKDIR /$TARGETOS-$TARGETARCH-$BUILDPLATFORM\n"
                     "FROM base-${TARGETARCH}\nARG TARGETVARIANT TARGETSTAGE\nCOPY --from=b a${TARGETVARIANT}$TARGETSTAGE b\n"),
            Words{});
  // Declared before the first FROM, they still have their values.
  EXPECT_EQ(warnings("ARG BUILDPLATFORM\nARG TARGETARCH\nFROM --platform=$BUILDPLATFORM golang:$TARGETARCH\n"), Words{});
  EXPECT_EQ(warnings("ARG TARGETPLATFORM\nFROM --platform=$TARGETPLATFORM a\n"),
            Words{"2 RedundantTargetPlatform: Setting platform to predefined $TARGETPLATFORM in FROM is redundant as this is the default behavior"});
  EXPECT_EQ(warnings("FROM a\nWORKDIR /$TARGETOS\nFROM scratch\nWORKDIR /$TARGETOS\n"),
            Words{"4 UndefinedVar: Usage of undefined variable '$TARGETOS'"});
}

TEST(Lint, ComparesThePlatformOfTheBase) {
  EXPECT_EQ(warnings("FROM here\n"), Words{"1 InvalidBaseImagePlatform: Base image here was pulled with platform \"linux/arm64/v8\", "
                                           "expected \"linux/amd64\" for current build"});
  EXPECT_EQ(warnings("FROM --platform=linux/arm64 here AS arm64\n"), Words{});
  EXPECT_EQ((LintWarning{"InvalidBaseImagePlatform", "", {}}.url()), "");
}

TEST(Lint, WarnsOfEmptyContinuationsAtTheirInstructionsEnd) {
  EXPECT_EQ(warnings("FROM scratch\n# c\nCOPY a \\\n\n.\nCOPY a \\\n.\n"), Words{"5 NoEmptyContinuation: Empty continuation line"});
}

TEST(Lint, ReadsDescriptionsWhereItIsAskedTo) {
  constexpr std::string_view kFile = "# bar is it\nARG foo=1\n# base is it\nFROM scratch AS base\n# no\nARG a=1 b=2\n# b is it\nARG a b\n# far\n\nARG c\n";
  EXPECT_EQ(warnings(kFile), Words{});
  EXPECT_EQ(warnings(kFile, "skip=all;experimental=InvalidDefinitionDescription"),
            (Words{"2 InvalidDefinitionDescription: Comment for ARG should follow the format: `# foo <description>`",
                   "6 InvalidDefinitionDescription: Comment for ARG should follow the format: `# <arg_key> <description>`"}));
}

TEST(Lint, SaysWhatArgumentOfFromIsMeant) {
  EXPECT_EQ(warnings("FROM --platform=$BULIDPLATFORM a\n"),
            Words{"1 UndefinedArgInFrom: FROM argument 'BULIDPLATFORM' is not declared (did you mean BUILDPLATFORM?)"});
  EXPECT_EQ(warnings("ARG D\nFROM a${D}\n"), Words{});
}

TEST(Lint, TellsWhatItFoundBeforeAMistake) {
  EXPECT_EQ(warnings("FROM scratch AS Bad\nMAINTAINER me\nCMD x\nBADCMD\n"),
            (Words{"1 StageNameCasing: Stage name 'Bad' should be lowercase",
                   "2 MaintainerDeprecated: Maintainer instruction is deprecated in favor of using label"}));
}

TEST(Lint, FindsAnIgnoredContextOnlyWhereAllOfItIs) {
  EXPECT_EQ(warnings("FROM scratch\nCOPY . .\n", "", ".*\n"), Words{});
  EXPECT_EQ(warnings("FROM scratch\nCOPY ./ .\n", "", "*\n"),
            Words{"2 CopyIgnoredFile: Attempting to Copy file \".\" that is excluded by .dockerignore"});
  EXPECT_EQ(warnings("FROM scratch\nCOPY a/b .\n", "", "**\n!a/b/c\n"), Words{});
}

TEST(Lint, SkipsForOneInstructionWhatACommentBeforeItSays) {
  EXPECT_EQ(warnings("FROM scratch\n# check=skip=SecretsUsedInArgOrEnv // it is none\nENV password=a\nENV password=b\n# check=skip=all\nARG token\n"),
            Words{"4 SecretsUsedInArgOrEnv: Do not use ARG or ENV instructions for sensitive data (ENV \"password\")"});
  EXPECT_EQ(warnings("FROM scratch\nENV password_file=a\nARG AUTH_VERSION=1\n"), Words{});
}

TEST(Lint, KnowsOfAShellThatAnEarlierStageSet) {
  EXPECT_EQ(warnings("FROM scratch AS base\nSHELL [\"s\"]\nFROM base\nCMD x\n"), Words{});
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

TEST(Lint, AsksForABaseOfThePlatformThatItsFromNames) {
  EXPECT_EQ(warnings("ARG P=linux/s390x\nFROM --platform=$P all\nRUN x\n"), Words{});
  EXPECT_EQ(warnings("ARG P=linux/s390x\nFROM --platform=$P here\nRUN x\n"),
            Words{"2 InvalidBaseImagePlatform: Base image here was pulled with platform \"linux/arm64/v8\", expected \"linux/s390x\" for current build"});
}

}  // namespace
}  // namespace acetate::dockerfile
