#include "cli/man_page.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "cli/command.h"

namespace acetate::cli {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

const DescribedCommand& described(const std::vector<DescribedCommand>& all, const std::string& name) {
  return *std::ranges::find_if(all, [&](const DescribedCommand& command) { return command.names.front() == name; });
}

TEST(DescribedCommands, AreThoseOfTheTableWithTheirOptions) {
  const auto all = described_commands();

  std::vector<std::string_view> listed;
  for (const auto& command : commands())
    if (!command.is_ours) listed.push_back(command.name);
  ASSERT_EQ(all.size(), listed.size());
  for (std::size_t i = 0; i < all.size(); ++i) {
    EXPECT_EQ(all[i].names.at(0), listed[i]);
    std::set<std::string> seen;
    for (const auto& option : all[i].options)
      for (const auto& name : option.names) EXPECT_TRUE(seen.insert(name).second) << all[i].names[0] << " " << name;
    EXPECT_TRUE(seen.contains("--help")) << all[i].names[0];
  }
}

TEST(DescribedCommands, HaveWhatStandsBehindTheirOptions) {
  const auto all = described_commands();

  EXPECT_EQ(described(all, "mount").synopsis, "SOURCE... DIR");
  EXPECT_EQ(described(all, "commit").synopsis, "NAME [IMAGE]");
  EXPECT_EQ(described(all, "run").synopsis, "IMAGE [COMMAND [ARG...]]");
  EXPECT_EQ(described(all, "shell").synopsis, "IMAGE [SHELL]");
  EXPECT_EQ(described(all, "gc").synopsis, "");
}

TEST(Roff, IsTextWhereverItStands) {
  EXPECT_EQ(roff("a-b"), "a\\-b");
  EXPECT_EQ(roff(".env is a file\n'x' too"), "\\&.env is a file\n\\&\\(aqx\\(aq too");
  EXPECT_EQ(roff("C:\\n \"x\" `y` ~^"), "C:\\en \\(dqx\\(dq \\(gay\\(ga \\(ti\\(ha");
  EXPECT_EQ(roff("a|b,c, d,"), "a|\\:b,\\:c, d,");
}

TEST(ManPage, SaysWhatHelpSays) {
  const std::string page = man_page({.names = {"unmount", "umount"},
                                     .help = "it's gone",
                                     .synopsis = "DIR...",
                                     .more = "More.",
                                     .arguments = {{.name = "DIR", .help = "what"}},
                                     .options = {{.names = {"-f", "--for"}, .help = ".often", .takes_value = true, .repeatable = true, .value = "TEXT"},
                                                 {.names = {"--how"}, .help = "how", .takes_value = true, .value = "TEXT", .values = {"now", "later"}}},
                                     .exit_status = "0."});

  EXPECT_THAT(page, AllOf(HasSubstr(".TH \"ACETATE-UNMOUNT\" 1 "), HasSubstr(".SH NAME\nacetate\\-unmount, acetate\\-umount \\- it\\(aqs gone\n"),
                          HasSubstr("\\fBacetate unmount\\fR [\\fIoptions\\fR] DIR...\n"), HasSubstr("\nIt\\(aqs gone.\n.PP\nMore.\n")));
  EXPECT_THAT(page, AllOf(HasSubstr(".TP\n\\fIDIR\\fR\nwhat\n"), HasSubstr(".TP\n\\fB\\-f\\fR, \\fB\\-\\-for\\fR \\fITEXT\\fR ...\n\\&.often\n"),
                          HasSubstr(".TP\n\\fB\\-\\-how\\fR now|\\:later\nhow\n"), HasSubstr(".SH EXIT STATUS\n0.\n")));
}

}  // namespace
}  // namespace acetate::cli
