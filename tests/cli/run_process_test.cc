#include "cli/run_process.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace acetate::cli {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Not;

using Words = std::vector<std::string>;

bool is_file(const std::string& name) { return name.ends_with(".tar"); }

TEST(RunWords, TheFirstIsTheImageAndTheRestTheCommand) {
  const auto words = split_run_words({"alpine", "sh", "-c", "x"}, is_file);

  ASSERT_TRUE(words);
  EXPECT_EQ(words->sources, Words{"alpine"});
  EXPECT_EQ(words->command, (Words{"sh", "-c", "x"}));
}

TEST(RunWords, SeveralSourcesAreClosedByTwoDashes) {
  const auto words = split_run_words({"a.tar", "b.tar", "--", "sh", "--", "x"}, is_file);

  ASSERT_TRUE(words);
  EXPECT_EQ(words->sources, (Words{"a.tar", "b.tar"}));
  EXPECT_EQ(words->command, (Words{"sh", "--", "x"}));
}

TEST(RunWords, DashesOfTheCommandStayItsOwn) {
  const auto words = split_run_words({"a.tar", "git", "log", "--", "file"}, is_file);

  ASSERT_TRUE(words);
  EXPECT_EQ(words->sources, Words{"a.tar"});
  EXPECT_EQ(words->command, (Words{"git", "log", "--", "file"}));
}

TEST(RunWords, DashesRightBehindTheImageAreOurs) {
  EXPECT_EQ(split_run_words({"alpine", "--", "-x"}, is_file)->command, Words{"-x"});
  EXPECT_EQ(split_run_words({"--", "alpine", "x"}, is_file)->command, Words{"x"});
}

TEST(RunWords, WithoutAnImageAreRefused) {
  EXPECT_FALSE(split_run_words({}, is_file));
  EXPECT_FALSE(split_run_words({"--"}, is_file));
  EXPECT_FALSE(split_run_words({""}, is_file));
  EXPECT_FALSE(split_run_words({"--wibble", "alpine"}, is_file));
}

std::optional<std::string> no_env(const std::string&) { return std::nullopt; }

image::Config config() {
  image::Config made;
  made.env = {"PATH=/image/bin", "A=image", "bad"};
  made.entrypoint = {"/entry"};
  made.cmd = {"default", "args"};
  made.working_dir = "/srv";
  return made;
}

sandbox::Spec describe(const image::Config& image, const RunOptions& options, const Words& command = {}) {
  auto spec = describe_process(image, options, command, [](const std::string& name) -> std::optional<std::string> {
    if (name == "OURS") return "value";
    if (name == "PWD") return "/here";
    return std::nullopt;
  });
  EXPECT_TRUE(spec) << spec.error().message();
  return spec ? *std::move(spec) : sandbox::Spec{};
}

TEST(RunProcess, IsEntrypointAndCommandOfTheImage) {
  EXPECT_EQ(describe(config(), {}).argv, (Words{"/entry", "default", "args"}));
  EXPECT_EQ(describe(config(), {}, {"mine"}).argv, (Words{"/entry", "mine"}));
}

TEST(RunProcess, OfAnotherEntrypointHasNothingOfTheImagesCommand) {
  RunOptions options;
  options.entrypoint = "/other";
  EXPECT_EQ(describe(config(), options).argv, Words{"/other"});
  EXPECT_EQ(describe(config(), options, {"x"}).argv, (Words{"/other", "x"}));
  options.entrypoint = R"(["sh", "-c"])";
  EXPECT_EQ(describe(config(), options, {"x"}).argv, (Words{"sh", "-c", "x"}));
  options.entrypoint = "";
  EXPECT_EQ(describe(config(), options, {"x"}).argv, Words{"x"});
}

TEST(RunProcess, NeedsSomethingToRun) {
  EXPECT_FALSE(describe_process(image::Config{}, {}, {}, no_env));
  RunOptions options;
  options.entrypoint = R"(["sh", 1])";
  EXPECT_FALSE(describe_process(config(), options, {"x"}, no_env));
}

TEST(RunProcess, TakesTheEnvironmentFromImageThenCommandLine) {
  RunOptions options;
  options.env = {"A=line", "B=", "OURS", "THEIRS"};
  options.hostname = "box";

  EXPECT_THAT(describe(config(), options).env,
              ElementsAre("PATH=/image/bin", "A=line", "B=", "OURS=value", "HOSTNAME=box"));
}

TEST(RunProcess, HasAPathWhereTheImageHasNone) {
  EXPECT_THAT(describe(image::Config{}, {}, {"x"}).env,
              Contains("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"));
}

TEST(RunProcess, HasATermWithATerminalOnly) {
  RunOptions options;
  EXPECT_THAT(describe(config(), options).env, Not(Contains(::testing::StartsWith("TERM="))));
  options.terminal = true;
  EXPECT_THAT(describe(config(), options).env, Contains("TERM=xterm"));
}

TEST(RunProcess, GetsItsHomeFromPasswdUnlessItIsSet) {
  sandbox::Spec spec = describe(config(), {});
  set_user(spec, {.uid = 5, .gid = 6, .groups = {7}, .home = "/home/x"});
  EXPECT_EQ(spec.uid, 5U);
  EXPECT_EQ(spec.gid, 6U);
  EXPECT_THAT(spec.env, Contains("HOME=/home/x"));

  RunOptions options;
  options.env = {"HOME=/mine"};
  sandbox::Spec set = describe(config(), options);
  set_user(set, {.home = "/home/x"});
  EXPECT_THAT(set.env, Not(Contains("HOME=/home/x")));
}

TEST(RunProcess, RunsWhereTheImageOrTheCommandLineSays) {
  RunOptions options;
  EXPECT_EQ(describe(config(), options).cwd, "/srv");
  options.workdir = "/else";
  EXPECT_EQ(describe(config(), options).cwd, "/else");
  EXPECT_EQ(describe(image::Config{}, {}, {"x"}).cwd, "/");
  options.workdir = "relative";
  EXPECT_FALSE(describe_process(config(), options, {}, no_env));
}

TEST(RunProcess, HasANameOfItsOwn) {
  EXPECT_EQ(describe(config(), {}).hostname.size(), 12U);
  EXPECT_NE(describe(config(), {}).hostname, describe(config(), {}).hostname);
}

TEST(RunProcess, KnowsTwoNetworks) {
  RunOptions options;
  options.network = "none";
  EXPECT_EQ(describe(config(), options).network, sandbox::Network::none);
  options.network = "bridge";
  EXPECT_FALSE(describe_process(config(), options, {}, no_env));
}

TEST(RunProcess, MayWriteToTmpOfAReadOnlyRootUnlessSomethingIsThere) {
  RunOptions options;
  options.read_only = true;
  options.volumes = {"/data:/tmp"};
  std::vector<std::string> targets;
  for (const auto& mount : describe(config(), options).mounts) targets.push_back(mount.target);

  EXPECT_THAT(targets, ElementsAre("/tmp", "/run", "/var/tmp"));
}

TEST(RunVolume, IsSourceTargetAndOptions) {
  const auto plain = parse_volume("/a:/b", "/here");
  ASSERT_TRUE(plain);
  EXPECT_EQ(plain->source, "/a");
  EXPECT_EQ(plain->target, "/b");
  EXPECT_TRUE(plain->writable);
  EXPECT_FALSE(parse_volume("/a:/b:ro", "/here")->writable);
  EXPECT_FALSE(parse_volume("/a:/b:z,ro", "/here")->writable);
  EXPECT_EQ(parse_volume("./a:/b", "/here")->source, "/here/./a");
}

TEST(RunVolume, OfAnotherShapeIsRefused) {
  for (const char* text : {"", "/a", ":", "/a:", ":/b", "/a:b", "name:/b", "/a:/b:shared", "/a:/b:ro:rw"})
    EXPECT_FALSE(parse_volume(text, "/here")) << text;
}

TEST(RunCapabilities, AreAddedAndDropped) {
  const Words base{"CAP_CHOWN", "CAP_KILL"};

  EXPECT_THAT(*change_capabilities(base, {"net_raw"}, {"CAP_KILL"}), ElementsAre("CAP_CHOWN", "CAP_NET_RAW"));
  EXPECT_THAT(*change_capabilities(base, {"SETUID"}, {"all"}), ElementsAre("CAP_SETUID"));
  EXPECT_THAT(*change_capabilities(base, {}, {"ALL"}), IsEmpty());
  EXPECT_THAT(*change_capabilities(base, {"ALL"}, {"sys_admin"}), Not(Contains("CAP_SYS_ADMIN")));
  EXPECT_EQ(change_capabilities(base, {"ALL"}, {})->size(), 41U);
  EXPECT_FALSE(change_capabilities(base, {"CAP_WIBBLE"}, {}));
}

}  // namespace
}  // namespace acetate::cli
