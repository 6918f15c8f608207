#include "cli/completion.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/sys/file.h"
#include "base/sys/process.h"
#include "tests/support/temp_dir.h"

namespace acetate::cli {
namespace {

using ::testing::HasSubstr;

const std::vector<DescribedCommand> kModel{
    {.names = {"unmount", "umount"}, .help = "it's gone", .options = {{.names = {"--lazy"}, .help = "now"}}},
    {.names = {"ps"}, .help = "list", .options = {{.names = {"-f", "--format"}, .help = "as [json]: all", .takes_value = true, .values = {"json", "table"}}}},
};

std::string completed(const std::string& line) {
  const test::TempDir dir;
  dir.write("script", *completion_script("bash", kModel) + fmt::format("COMP_WORDS=({})\nCOMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))\n_acetate\necho \"${{COMPREPLY[*]}}\"\n", line));
  const auto ran = sys::run_captured({.argv = {"bash", dir / "script"}});
  EXPECT_TRUE(ran && ran->err.empty()) << (ran ? ran->err : ran.error().message());
  return ran ? ran->out : "";
}

TEST(CompletionOfBash, OffersCommandsThenOptionsThenValues) {
  if (!sys::find_program("bash")) GTEST_SKIP() << "bash is not installed";
  EXPECT_EQ(completed("acetate u"), "unmount umount\n");
  EXPECT_EQ(completed("acetate umount --"), "--lazy\n");
  EXPECT_EQ(completed("acetate ps --format ''"), "json table\n");
  EXPECT_EQ(completed("acetate ps -f t"), "table\n");
}

TEST(CompletionOfZsh, QuotesWhatItSays) {
  const std::string script = *completion_script("zsh", kModel);

  EXPECT_THAT(script, HasSubstr("'umount:it'\\''s gone'"));
  EXPECT_THAT(script, HasSubstr("'*--format[as \\[json\\]\\: all]:value:(json table)'"));
}

TEST(CompletionOfFish, SaysWhichOptionsTakeAValue) {
  const std::string script = *completion_script("fish", kModel);

  EXPECT_THAT(script, HasSubstr("-s f -l format -x -a 'json table'"));
  EXPECT_THAT(script, HasSubstr("-l lazy -d 'now'"));
}

TEST(Completion, IsNotThereForShellsNobodyKnows) { EXPECT_FALSE(completion_script("csh", kModel)); }

}  // namespace
}  // namespace acetate::cli
