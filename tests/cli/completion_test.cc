#include "cli/completion.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "base/sys/file.h"
#include "base/sys/process.h"
#include "cli/command.h"
#include "tests/support/temp_dir.h"

namespace acetate::cli {
namespace {

using ::testing::HasSubstr;

TEST(CompletionModel, HasEveryCommandAndItsOptions) {
  const auto model = completion_model();

  ASSERT_EQ(model.size(), commands().size());
  for (std::size_t i = 0; i < model.size(); ++i) {
    EXPECT_EQ(model[i].names.at(0), commands()[i].name);
    std::set<std::string> seen;
    for (const auto& option : model[i].options)
      for (const auto& name : option.names) EXPECT_TRUE(seen.insert(name).second) << model[i].names[0] << " " << name;
    EXPECT_TRUE(seen.contains("--help")) << model[i].names[0];
  }
}

const std::vector<CompletionCommand> kModel{
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
