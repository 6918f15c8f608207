#include "cli/app.h"

#include <gtest/gtest.h>

#include <sstream>
#include <vector>

#include "cli/command.h"
#include "cli/suggest.h"

namespace acetate::cli {
namespace {

struct Outcome {
  int code;
  std::string out, err;
};

Outcome acetate(std::vector<std::string> args) {
  std::istringstream in;
  std::ostringstream out, err;
  const int code = run(args, {.in = in, .out = out, .err = err});
  return {code, out.str(), err.str()};
}

TEST(App, ListsEveryCommandInItsHelp) {
  const auto help = acetate({"--help"});

  EXPECT_EQ(help.code, 0);
  EXPECT_EQ(help.err, "");
  for (const auto& command : commands()) {
    EXPECT_EQ(help.out.find(std::string(command.summary)) == std::string::npos, command.is_ours) << command.name;
    EXPECT_EQ(help.out.find("\n  " + std::string(command.name)) == std::string::npos, command.is_ours) << command.name;
  }
}

TEST(App, HasHelpForEveryCommandAndAlias) {
  for (const auto& command : commands()) {
    auto names = command.aliases;
    names.push_back(command.name);
    for (const auto name : names) {
      const auto help = acetate({std::string(name), "--help"});
      EXPECT_EQ(help.code, 0) << name;
      EXPECT_NE(help.out.find(std::string(command.summary)), std::string::npos) << help.out;
    }
  }
}

TEST(App, KnowsCommandsAsDockerAndPodmanGroupThem) {
  for (const auto& [words, command] : {std::pair<std::vector<std::string>, const char*>{{"image", "ls"}, "images"},
                                       {{"image", "rm"}, "rmi"},
                                       {{"image", "prune"}, "gc"},
                                       {{"system", "df"}, "df"},
                                       {{"container", "ls"}, "ps"}}) {
    auto asked = words;
    asked.push_back("--help");
    EXPECT_EQ(acetate(asked).out, acetate({command, "--help"}).out) << words.back();
  }
  const auto unknown = acetate({"image", "sign"});
  EXPECT_EQ(unknown.code, 2);
  EXPECT_NE(unknown.err.find("\"image\""), std::string::npos) << unknown.err;
}

TEST(App, TakesTheHostNameOfAContainerByMinusHAsDockerDoes) {
  for (const char* command : {"run", "shell"}) {
    const auto outcome = acetate({command, "-h", "box"});
    EXPECT_EQ(outcome.code, 125) << outcome.out;
    EXPECT_NE(outcome.err.find("no image"), std::string::npos) << outcome.err;
    EXPECT_NE(acetate({command, "--help"}).out.find("-h,--hostname"), std::string::npos);
  }
  EXPECT_EQ(acetate({"ps", "-h"}).code, 0);
}

TEST(App, TellsItsVersion) {
  const auto version = acetate({"--version"});

  EXPECT_EQ(version.code, 0);
  EXPECT_EQ(version.out, "acetate " ACETATE_VERSION "\n");
}

TEST(App, SuggestsTheCommandThatWasProbablyMeant) {
  const auto outcome = acetate({"inpsect", "/x"});

  EXPECT_EQ(outcome.code, 2);
  EXPECT_EQ(outcome.out, "");
  EXPECT_EQ(outcome.err,
            "acetate: there is no command \"inpsect\", did you mean \"inspect\"?\nTry 'acetate --help'.\n");
}

TEST(App, SuggestsNothingWhenNothingIsNear) {
  EXPECT_EQ(acetate({"xyzzy"}).err, "acetate: there is no command \"xyzzy\"\nTry 'acetate --help'.\n");
}

TEST(App, EndsWithTwoForAnUnknownOptionAndPointsAtTheCommandsHelp) {
  const auto outcome = acetate({"inspect", "--colour", "x"});

  EXPECT_EQ(outcome.code, 2);
  EXPECT_NE(outcome.err.find("--colour"), std::string::npos) << outcome.err;
  EXPECT_TRUE(outcome.err.ends_with("Try 'acetate inspect --help'.\n")) << outcome.err;
}

TEST(App, EndsWithTwoWithoutACommand) {
  const auto outcome = acetate({});

  EXPECT_EQ(outcome.code, 2);
  EXPECT_TRUE(outcome.err.starts_with("acetate: ")) << outcome.err;
}

TEST(App, EndsWithOneAndASentenceWhenACommandFails) {
  const auto outcome = acetate({"inspect", "/nowhere/at/all"});

  EXPECT_EQ(outcome.code, 1);
  EXPECT_TRUE(outcome.err.starts_with("acetate: ")) << outcome.err;
  EXPECT_NE(outcome.err.find("/nowhere/at/all"), std::string::npos) << outcome.err;
}

TEST(Suggest, CountsASwapOfNeighboursAsOneMistake) {
  EXPECT_EQ(edit_distance("muont", "mount"), 1u);
  EXPECT_EQ(edit_distance("", "abc"), 3u);
  EXPECT_EQ(edit_distance("mount", "unmount"), 2u);
  EXPECT_EQ(edit_distance("same", "same"), 0u);
}

TEST(Suggest, PrefersAWordThatBeginsAsTyped) {
  EXPECT_EQ(nearest_word("ins", {"run", "inspect"}), "inspect");
  EXPECT_EQ(nearest_word("rn", {"run", "inspect"}), "run");
  EXPECT_EQ(nearest_word("q", {"mount", "inspect"}), "");
}

}  // namespace
}  // namespace acetate::cli
