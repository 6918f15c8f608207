#include "cli/build_page.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace acetate::cli {
namespace {

using build::BuildReport;
using build::StepReport;
using ::testing::HasSubstr;
using ::testing::Not;

BuildReport two_stages() {
  BuildReport report{.stages = {{.number = 0, .name = "one", .base = "debian"}, {.number = 1, .name = "stage-1", .base = "one", .base_stage = 0}}, .seconds = 4};
  report.stages[0].steps = {{.how = StepReport::How::ran, .title = "RUN echo '<script>' & \"x\"", .why = "a was 1, is 2", .began = 1, .seconds = 2}};
  report.stages[1].steps = {{.how = StepReport::How::cached, .title = "COPY --from=one / /", .uses = {0}}, {.title = "CMD x"}};
  return report;
}

TEST(BuildPage, TellsOfEveryStepWhereItCameFromAndWhenItRan) {
  const std::string page = build_page("t", two_stages(), {{0, {{0, {.bytes = 1000, .wasted = 10}}}}});
  EXPECT_THAT(page, HasSubstr("1 steps ran, 1 came from the cache"));
  EXPECT_THAT(page, HasSubstr("<small>a was 1, is 2</small><td class=ran>ran<td>2.00&nbsp;s<td class=time><div><i style=\"margin-left:25.00%;width:50.00%\">"));
  EXPECT_THAT(page, HasSubstr("<td class=cached>cached"));
  EXPECT_THAT(page, HasSubstr("10B wasted"));
}

TEST(BuildPage, DrawsAnArrowForEachStageThatIsTakenFrom) {
  const std::string page = build_page("t", two_stages(), {});
  std::size_t arrows = 0;
  for (std::size_t at = page.find("<path "); at != std::string::npos; at = page.find("<path ", at + 1)) ++arrows;
  EXPECT_EQ(arrows, 1U) << "one, though it is its base too";
}

TEST(BuildPage, CutsALongNameBetweenTwoCharactersAndTellsItWholeWhereOnePointsAtIt) {
  BuildReport report{.stages = {{.number = 0, .name = "größer-als-jeder-Kasten-ist", .base = "debian"}}, .seconds = 1};
  const std::string page = build_page("t", report, {});
  EXPECT_THAT(page, HasSubstr(">größer-als-jeder-Kas…</text>"));
  EXPECT_THAT(page, HasSubstr("<title>größer-als-jeder-Kasten-ist</title>"));
}

TEST(BuildPage, ShowsWhatDockerfilesSayAsTextAndLoadsNothing) {
  const std::string page = build_page("<b>", two_stages(), {});
  EXPECT_THAT(page, HasSubstr("RUN echo '&lt;script&gt;' &amp; &quot;x&quot;"));
  EXPECT_THAT(page, HasSubstr("<title>&lt;b&gt;</title>"));
  for (const char* loads : {"<script", "src=", "http:", "https:", "url(", "@import"}) EXPECT_THAT(page, Not(HasSubstr(loads))) << loads;
}

}  // namespace
}  // namespace acetate::cli
