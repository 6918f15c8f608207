#include "builder/dockerfile/parse.h"

#include <gtest/gtest.h>

#include "builder/dockerfile/duration.h"
#include "builder/dockerfile/suggest.h"

namespace acetate::dockerfile {
namespace {

template <class T>
T only(std::string_view line) {
  const auto file = parse(fmt::format("FROM a\n{}\n", line), "Dockerfile");
  if (!file) {
    ADD_FAILURE() << file.error().message();
    return {};
  }
  const auto* found = std::get_if<T>(&file->stages.at(0).body.at(0).what);
  if (found == nullptr) {
    ADD_FAILURE() << "another instruction";
    return {};
  }
  return *found;
}

std::string complaint(std::string_view text) {
  const auto file = parse(text, "Dockerfile");
  return file ? "no complaint" : file.error().message();
}
std::string first_line(std::string text) { return text.substr(0, text.find('\n')); }

TEST(Parse, FindsStagesAndWhatStandsBeforeThem) {
  const auto file = parse("ARG V=1\nfrom --platform=linux/amd64 base:$V As Build\nRUN make\nFROM scratch\nCOPY --from=build /a /b\n", "D");

  ASSERT_TRUE(file) << file.error().message();
  ASSERT_EQ(file->globals.size(), 1U);
  ASSERT_EQ(file->stages.size(), 2U);
  EXPECT_EQ(file->stages[0].base, "base:$V");
  EXPECT_EQ(file->stages[0].platform, "linux/amd64");
  EXPECT_EQ(file->stages[0].name, "build");
  EXPECT_EQ(std::get<Copy>(file->stages[1].body.at(0).what).from, "build");
}

TEST(Parse, PointsAtTheUnknownInstructionAndGuesses) {
  EXPECT_EQ(complaint("FROM a\n  RNU make\n"),
            "dockerfile parse error on line 2: unknown instruction: RNU (did you mean RUN?)\n"
            "Dockerfile:2\n"
            "  2 |   RNU make\n"
            "    |   ^^^");
}

TEST(Parse, PointsAtTheUnknownFlagAndGuesses) {
  EXPECT_EQ(complaint("FROM a\nCOPY --form=x a b\n"),
            "dockerfile parse error on line 2: unknown flag: --form (did you mean from?)\n"
            "Dockerfile:2\n"
            "  2 | COPY --form=x a b\n"
            "    |      ^^^^^^");
}

TEST(Parse, PointsIntoTheRightLineOfAContinuedInstruction) {
  EXPECT_EQ(complaint("FROM a\nENV x=1 \\\n    y\n"),
            "dockerfile parse error on line 2: Syntax error - can't find = in \"y\". Must be of the form: name=value\n"
            "Dockerfile:3\n"
            "  3 |     y\n"
            "    |     ^");
}

TEST(Parse, WantsSomethingToBuild) {
  EXPECT_EQ(complaint("# nothing\n"), "the Dockerfile cannot be empty: Dockerfile is a file with no instructions");
  EXPECT_EQ(complaint("ARG x\n"), "dockerfile contains no stages to build: Dockerfile has no FROM");
  EXPECT_EQ(first_line(complaint("RUN x\n")), "dockerfile parse error on line 1: no build stage in current context: the first instruction must be FROM (or ARG)");
}

TEST(Parse, RefusesWhatIsIncomplete) {
  for (const char* line : {"RUN", "CMD", "ENV", "ENV a", "LABEL a", "ARG", "COPY a", "ADD a", "WORKDIR", "USER", "EXPOSE", "VOLUME",
                           "SHELL sh", "SHELL []", "HEALTHCHECK", "HEALTHCHECK CMD", "HEALTHCHECK NONE x", "HEALTHCHECK TCP 80",
                           "ONBUILD", "ONBUILD FROM a", "ONBUILD ONBUILD RUN a", "ONBUILD MAINTAINER a", "FROM a b", "FROM a AS 1x",
                           "FROM a TO b", "CMD [\"a\", 1]", "COPY --chown a b", "COPY --link=maybe a b", "COPY --from=a --from=b a b",
                           "HEALTHCHECK --interval=1 CMD a", "HEALTHCHECK --interval=1us CMD a", "HEALTHCHECK --retries=-1 CMD a"}) {
    const std::string text = complaint(fmt::format("FROM a\n{}\n", line));
    if (std::string_view(line) == "CMD") continue;  // an empty CMD is one: it clears what the base says
    EXPECT_TRUE(text.starts_with("dockerfile parse error on line 2: ")) << line << ": " << text;
    EXPECT_NE(text.find("\nDockerfile:2\n"), std::string::npos) << line << ": " << text;
  }
}

TEST(Parse, TellsExecFormFromShellForm) {
  EXPECT_EQ(only<dockerfile::Run>("RUN [\"a\", \"b c\"]").command.words, (std::vector<std::string>{"a", "b c"}));
  EXPECT_FALSE(only<dockerfile::Run>("RUN [\"a\", \"b c\"]").command.shell);
  EXPECT_TRUE(only<dockerfile::Run>("RUN ['a']").command.shell);
  EXPECT_EQ(only<dockerfile::Run>("RUN  echo  a ").command.words, std::vector<std::string>{"echo  a"});
}

TEST(Parse, ReadsBothFormsOfEnv) {
  const auto pairs = only<Env>("ENV a=1 b=\"x y\" c=\\ d").values;
  ASSERT_EQ(pairs.size(), 3U);
  EXPECT_EQ(pairs[1].value, "\"x y\"");
  EXPECT_EQ(pairs[2].value, "\\ d");
  EXPECT_EQ(only<Env>("ENV a b  c").values.at(0).value, "b  c");
}

TEST(Parse, ReadsCopyWithFlagsSourcesAndHeredocs) {
  const auto copy = only<Copy>("COPY --chown=1:2 --chmod=u=rwX --link --exclude=*.o --exclude=*.a a <<EOF b/ c/\nhello\nEOF");
  EXPECT_EQ(copy.chown, "1:2");
  EXPECT_EQ(copy.chmod, "u=rwX");
  EXPECT_TRUE(copy.link);
  EXPECT_EQ(copy.excludes, (std::vector<std::string>{"*.o", "*.a"}));
  EXPECT_EQ(copy.sources, (std::vector<std::string>{"a", "b/"}));
  ASSERT_EQ(copy.inline_files.size(), 1U);
  EXPECT_EQ(copy.inline_files[0].content, "hello\n");
  EXPECT_EQ(copy.dest, "c/");
}

TEST(Parse, ReadsHealthchecks) {
  const auto check = only<Healthcheck>("HEALTHCHECK --interval=1m30s --timeout=500ms --retries=3 CMD curl -f http://x/");
  EXPECT_EQ(check.interval, std::chrono::seconds(90));
  EXPECT_EQ(check.timeout, std::chrono::milliseconds(500));
  EXPECT_EQ(check.retries, 3);
  EXPECT_EQ(check.command.words, std::vector<std::string>{"curl -f http://x/"});
  EXPECT_TRUE(only<Healthcheck>("HEALTHCHECK none").none);
}

TEST(Parse, KeepsTriggersAsText) {
  EXPECT_EQ(only<Onbuild>("ONBUILD  RUN  make").trigger, "RUN  make");
  EXPECT_EQ(only<Onbuild>("ONBUILD COPY <<EOF /a\nx\nEOF").trigger, "COPY <<EOF /a\nx\nEOF");
}

TEST(Parse, KeepsEveryFlagOfRun) {
  const auto run = only<dockerfile::Run>("RUN --mount=type=cache,target=/c --network=none --security=sandbox make");
  EXPECT_EQ(run.mounts, std::vector<std::string>{"type=cache,target=/c"});
  EXPECT_EQ(run.network, "none");
  EXPECT_EQ(run.security, "sandbox");
}

TEST(Duration, IsReadAsGoWritesIt) {
  EXPECT_EQ(parse_duration("1h2m3.5s"), std::chrono::milliseconds(3723500));
  EXPECT_EQ(parse_duration("0"), std::chrono::nanoseconds(0));
  EXPECT_EQ(parse_duration("-2ms"), std::chrono::milliseconds(-2));
  for (const char* text : {"", "5", "s", "1x", "1.2.3s", "99999999999h"}) EXPECT_FALSE(parse_duration(text)) << text;
}

TEST(Suggest, FindsSlipsOfTheFingerOnly) {
  const std::vector<std::string_view> words = {"COPY", "RUN", "ENTRYPOINT"};
  EXPECT_EQ(nearest("coyp", words), "COPY");
  EXPECT_EQ(nearest("ENTRIPOINT", words), "ENTRYPOINT");
  EXPECT_EQ(nearest("INSTALL", words), "");
}

}  // namespace
}  // namespace acetate::dockerfile
