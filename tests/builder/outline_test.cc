#include "builder/outline.h"

#include <gtest/gtest.h>

#include "builder/questions.h"
#include "tests/builder/build_fixture.h"

namespace acetate::build {
namespace {

class OutlineTest : public BuildTest {
 protected:
  // "NAME=VALUE (DESCRIPTION) LINE", and "secret NAME required LINE".
  Words outlined(const BuildOptions& options) {
    const auto report = outline(options);
    if (!report) return {report.error().message()};
    Words words;
    for (const auto& one : report->outline.arguments)
      words.push_back(fmt::format("{}={}{} {}", one.name, one.value, one.description.empty() ? "" : " (" + one.description + ")", one.place.first));
    for (const auto& [kind, needs] : {std::pair{"secret", &report->outline.secrets}, std::pair{"ssh", &report->outline.agents}})
      for (const auto& one : *needs) words.push_back(fmt::format("{} {}{} {}", kind, one.name, one.required ? " required" : "", one.place.first));
    return words;
  }
};

TEST_F(OutlineTest, TellsWhatMayBeGivenToTheTargetAndWhatItIsBuiltOn) {
  dockerfile(R"(ARG used=box
ARG unused=abc${used}
# sfx is a suffix
ARG sfx="usy${used}"
FROM b${sfx} AS first
# this is not about anything
ARG FOO=123
# BAR is a number
ARG BAR=4
FROM a$unused AS other
ARG BAZ
RUN --mount=type=secret,id=others x
FROM scratch AS third
ARG FOO
RUN --mount=type=secret,target=/etc/pass,required --mount=type=secret,id=s$FOO --mount=type=ssh x
# target is what is wanted
FROM third AS target
COPY --from=first / /
RUN --mount=type=ssh,id=two,required x
FROM other
)");
  BuildOptions how = options();
  how.target = "target";
  how.build_args = {{"BAR", "5"}, {"FOO", "f"}};
  EXPECT_EQ(outlined(how), (Words{"used=box 1", "sfx=usybox (is a suffix) 4", "BAR=5 (is a number) 9", "FOO=f 14", "secret pass required 15",
                                  "secret sf 15", "ssh default 15", "ssh two required 19"}));
  const auto report = outline(how);
  EXPECT_EQ(report->outline.name, "target");
  EXPECT_EQ(report->outline.description, "is what is wanted");
}

TEST_F(OutlineTest, FollowsDefaultsThatLeanOnOneAnother) {
  dockerfile("ARG FOO=1\nARG ABC=a\nARG DEF=d\nARG FOO=${FOO}${ABC}\nARG BAR=${FOO}4\nARG FOO=${FOO}4${BAR}\nFROM scratch\n"
             "ARG FOO\nARG IN=1\nARG IN=${IN}2\n");
  EXPECT_EQ(outlined(options()), (Words{"ABC=a 2", "BAR=1a4 5", "FOO=1a41a4 8", "IN=12 10"}));
}

TEST_F(OutlineTest, SaysWhatIsWrong) {
  dockerfile("FROM scratch\nRUN --mount=type=none x\n");
  EXPECT_TRUE(outlined(options()).front().starts_with("unsupported mount type")) << outlined(options()).front();
  BuildOptions how = options();
  how.target = "nowhere";
  EXPECT_TRUE(outlined(how).front().starts_with("target stage \"nowhere\" could not be found")) << outlined(how).front();
}

TEST_F(OutlineTest, ListsStages) {
  dockerfile("# build makes it\nFROM $B AS build\nFROM --platform=linux/arm64 other\nRUN false\nFROM build AS last\n");
  const auto report = targets(options());
  ASSERT_TRUE(report) << report.error().message();
  ASSERT_EQ(report->targets.size(), 3U);
  const auto& [build, other, last] = std::tie(report->targets[0], report->targets[1], report->targets[2]);
  EXPECT_EQ(build.name + ": " + build.description + " from " + build.base, "build: makes it from $B");
  EXPECT_EQ(other.name + other.platform, "linux/arm64");
  EXPECT_EQ(other.place.first, 3);
  EXPECT_TRUE(last.is_default);
  EXPECT_FALSE(build.is_default);
}

TEST_F(OutlineTest, ChecksAllStagesOrThoseThatATargetNeeds) {
  dockerfile("FROM scratch AS one\nCOPY $x .\nFROM scratch AS two\nCOPY $y .\n");
  EXPECT_EQ(check(options())->warnings.size(), 2U);
  BuildOptions how = options();
  how.target = "one";
  ASSERT_EQ(check(how)->warnings.size(), 1U);
  EXPECT_EQ(check(how)->warnings[0].place.first, 2);
  dockerfile("FROM scratch AS One\nBAD\n");
  const auto report = check(options());
  EXPECT_EQ(report->warnings.size(), 1U);
  EXPECT_TRUE(report->mistake && report->mistake->starts_with("dockerfile parse error on line 2: unknown instruction: BAD\n")) << report->mistake.value_or("");
  EXPECT_EQ(dockerfile::read_complaint(report->source, *report->mistake).line, 2);
  EXPECT_FALSE(report->clean());
}

TEST_F(OutlineTest, ChecksForWhatStopsABuildBeforeItsFirstStep) {
  dockerfile("FROM --platform=$BULIDPLATFORM scratch\nCOPY a .\n");
  const auto platform = check(options());
  ASSERT_TRUE(platform && platform->mistake);
  const auto complaint = dockerfile::read_complaint(platform->source, *platform->mistake);
  EXPECT_EQ(complaint.words, "empty platform value from expression $BULIDPLATFORM (did you mean BUILDPLATFORM?)");
  EXPECT_EQ(complaint.line, 1);
  dockerfile("# check=error=true\nFROM scratch as one\nCOPY a .\n");
  const auto strict = check(options());
  ASSERT_TRUE(strict && strict->mistake);
  EXPECT_TRUE(strict->mistake->starts_with("lint violation found for rules: FromAsCasing\n")) << *strict->mistake;
}

}  // namespace
}  // namespace acetate::build
