#include "cli/equals_sign.h"

#include <gtest/gtest.h>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

namespace acetate::cli {
namespace {

using Words = std::vector<std::string>;

// A command with options of each kind, and one whose command line ends with its first word.
class Parser {
 public:
  Parser() : app_("", "acetate") {
    app_.add_flag("-v,--verbose", verbose_, "");
    for (const char* name : {"list", "run"}) {
      CLI::App* command = app_.add_subcommand(name, "");
      command->fallthrough();
      command->set_help_flag("--help", "");
      command->add_option("-h,--hostname", hostname_, "");
      command->add_option("-e,--env", env_, "")->allow_extra_args(false);
      command->add_option("--entrypoint", entrypoint_, "");
      command->add_flag("-i,--interactive", interactive_, "");
      command->add_flag("-t,--tty", tty_, "");
      if (std::string(name) == "run") command->prefix_command();
    }
  }
  Words rewritten(Words words) const { return without_equals_signs(app_, words); }

 private:
  CLI::App app_;
  bool verbose_ = false, interactive_ = false, tty_ = false;
  std::string hostname_, entrypoint_;
  Words env_;
};

TEST(EqualsSign, BehindAnOptionOfOneLetterIsNoPartOfItsValue) {
  const Parser parser;
  EXPECT_EQ(parser.rewritten({"run", "-h=box", "image"}), (Words{"run", "-hbox", "image"}));
  EXPECT_EQ(parser.rewritten({"run", "-e=A=B", "-e==x", "-ith=box"}), (Words{"run", "-eA=B", "-e=x", "-ithbox"}));
  EXPECT_EQ(parser.rewritten({"list", "first", "-h=box"}), (Words{"list", "first", "-hbox"}));
}

TEST(EqualsSign, AloneIsAValueAsPflagHasIt) { EXPECT_EQ(Parser().rewritten({"run", "-h=", "image"}), (Words{"run", "-h=", "image"})); }

TEST(EqualsSign, BehindAFlagOfOneLetterSaysWhetherItIsSet) {
  const Parser parser;
  EXPECT_EQ(parser.rewritten({"run", "-i=false", "image"}), (Words{"run", "--interactive=false", "image"}));
  EXPECT_EQ(parser.rewritten({"run", "-it=false", "image"}), (Words{"run", "-i", "--tty=false", "image"}));
  EXPECT_EQ(parser.rewritten({"run", "-v=true", "image"}), (Words{"run", "--verbose=true", "image"}));
}

TEST(EqualsSign, AtTheEndOfAnOptionGivesItAnEmptyValue) {
  EXPECT_EQ(Parser().rewritten({"run", "--entrypoint=", "image"}), (Words{"run", "--entrypoint", "", "image"}));
}

TEST(EqualsSign, InAValueOrInTheCommandsOwnWordsStays) {
  const Parser parser;
  EXPECT_EQ(parser.rewritten({"run", "-h", "-e=x", "image"}), (Words{"run", "-h", "-e=x", "image"}));
  EXPECT_EQ(parser.rewritten({"run", "--hostname", "-e=x", "image"}), (Words{"run", "--hostname", "-e=x", "image"}));
  EXPECT_EQ(parser.rewritten({"run", "-ith", "-e=x", "image"}), (Words{"run", "-ith", "-e=x", "image"}));
  EXPECT_EQ(parser.rewritten({"run", "image", "sh", "-h=box", "--entrypoint="}), (Words{"run", "image", "sh", "-h=box", "--entrypoint="}));
  EXPECT_EQ(parser.rewritten({"run", "--", "-h=box"}), (Words{"run", "--", "-h=box"}));
  EXPECT_EQ(parser.rewritten({"run", "-x=1", "--wibble=", "image", "-h=b"}), (Words{"run", "-x=1", "--wibble=", "image", "-h=b"}));
}

}  // namespace
}  // namespace acetate::cli
