#include "cli/run_process.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/utsname.h>

#include <csignal>

#include "tests/support/temp_dir.h"

namespace acetate::cli {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
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

const OurEnvironment no_env{.get = [](const std::string&) { return std::optional<std::string>(); },
                            .all = [] { return std::vector<std::string>(); }};

image::Config config() {
  image::Config made;
  made.env = {"PATH=/image/bin", "A=image", "bad"};
  made.entrypoint = {"/entry"};
  made.cmd = {"default", "args"};
  made.working_dir = "/srv";
  return made;
}

sandbox::Spec describe(const image::Config& image, const RunOptions& options, const Words& command = {}) {
  const OurEnvironment ours{.get = [](const std::string& name) -> std::optional<std::string> {
                              if (name == "OURS") return "value";
                              return std::nullopt;
                            },
                            .all = [] { return std::vector<std::string>{"OURS=value", "PATH=/ours", "A=ours"}; }};
  auto spec = describe_process(image, options, command, ours);
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
  RunOptions options;
  options.network = "none";

  EXPECT_EQ(describe(config(), options).hostname.size(), 12U);
  EXPECT_NE(describe(config(), options).hostname, describe(config(), options).hostname);
  EXPECT_FALSE(describe(config(), options).our_hosts);
}

TEST(RunProcess, GoesByOurNameInOurNetwork) {
  utsname names{};
  ASSERT_EQ(::uname(&names), 0);
  const sandbox::Spec spec = describe(config(), {});

  EXPECT_EQ(spec.hostname, names.nodename);
  EXPECT_FALSE(spec.hostname_asked);
  EXPECT_THAT(spec.env, Contains(fmt::format("HOSTNAME={}", names.nodename)));
  EXPECT_TRUE(spec.our_hosts);

  RunOptions options;
  options.hostname = "box";
  EXPECT_EQ(describe(config(), options).hostname, "box");
}

TEST(RunProcess, TakesOurEnvironmentBelowTheImagesWhenAsked) {
  RunOptions options;
  options.env_host = true;
  options.hostname = "box";

  EXPECT_THAT(describe(config(), options).env, ElementsAre("OURS=value", "PATH=/image/bin", "A=image", "HOSTNAME=box"));
}

TEST(RunProcess, ReadsVariablesFromAFile) {
  const test::TempDir dir;
  dir.write("vars", "# a comment\nB=from file\n\n  C=x=y\r\nOURS\nTHEIRS\n");
  RunOptions options;
  options.env_files = {dir / "vars"};
  options.env = {"B=line"};

  EXPECT_THAT(describe(config(), options).env, ::testing::IsSupersetOf({"B=line", "C=x=y", "OURS=value"}));
  options.env_files = {dir / "absent"};
  EXPECT_FALSE(describe_process(config(), options, {}, no_env));
}

TEST(RunProcess, IsStoppedByTheImagesSignalUnlessAnotherIsNamed) {
  image::Config image = config();
  image.stop_signal = "SIGQUIT";
  RunOptions options;
  options.timeout = 5;

  EXPECT_EQ(describe(image, options).stop_signal, SIGQUIT);
  EXPECT_EQ(describe(image, options).time_limit, 5);
  options.stop_signal = "usr1";
  EXPECT_EQ(describe(image, options).stop_signal, SIGUSR1);
  options.stop_signal = "WIBBLE";
  EXPECT_FALSE(describe_process(image, options, {}, no_env));
}

TEST(RunProcess, NotesItsLabels) {
  RunOptions options;
  options.labels = {"a=b=c", "d"};

  EXPECT_THAT(describe(config(), options).annotations, ElementsAre(std::pair("a", "b=c"), std::pair("d", "")));
}

bool refused(const RunOptions& options) { return !describe_process(config(), options, {}, no_env); }

TEST(RunProcess, SetsOnlyWhatIsItsOwn) {
  RunOptions options;
  options.sysctls = {"kernel.shmmax=1", "fs.mqueue.msg_max=2"};
  EXPECT_THAT(describe(config(), options).sysctls, ElementsAre(sandbox::Sysctl("kernel.shmmax", "1"), sandbox::Sysctl("fs.mqueue.msg_max", "2")));
  options.ipc = "host";
  EXPECT_TRUE(refused(options)) << "the machine's queues";
  options = {};
  options.sysctls = {"net.ipv4.ip_forward=1"};
  EXPECT_TRUE(refused(options)) << "the machine's network";
  options.network = "none";
  EXPECT_FALSE(refused(options));
  for (const char* wrong : {"vm.swappiness=1", "kernel.hostname=x", "net.ipv4.ip_forward", "=1", "net/ipv4/ip_forward=1"}) {
    options.sysctls = {wrong};
    EXPECT_TRUE(refused(options)) << wrong;
  }
}

TEST(RunProcess, WithTheMachinesNamesHasNoOthers) {
  RunOptions options;
  options.uts = "host";
  options.network = "none";
  utsname names{};
  ASSERT_EQ(::uname(&names), 0);
  EXPECT_FALSE(describe(config(), options).own_uts);
  EXPECT_EQ(describe(config(), options).hostname, names.nodename);
  EXPECT_THAT(describe(config(), options).env, Contains(fmt::format("HOSTNAME={}", names.nodename)));
  options.hostname = "box";
  EXPECT_TRUE(refused(options));
  options.hostname = "";
  options.domainname = "d";
  EXPECT_TRUE(refused(options));
}

TEST(RunProcess, HasOfTheImagesEnvironmentWhatIsWanted) {
  image::Config image = config();
  image.env = {"A=1", "B=2"};
  RunOptions options;
  options.hostname = "box";
  options.unset_env = {"A"};
  options.env_merge = {"B=${B}:3", "C=<$A>"};
  EXPECT_THAT(describe(image, options).env, ElementsAre("B=2:3", "C=<>", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOSTNAME=box"));
  options = {};
  options.hostname = "box";
  options.unset_env_all = true;
  EXPECT_THAT(describe(image, options).env, ElementsAre("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOSTNAME=box"));
  for (const char* wrong : {"B", "=x", "B=${"}) {
    options.unset_env_all = false;
    options.env_merge = {wrong};
    EXPECT_TRUE(refused(options)) << wrong;
  }
}

TEST(RunProcess, PassesProxiesOnWhereThatIsAskedFor) {
  const OurEnvironment ours{.get = [](const std::string& name) { return name == "http_proxy" || name == "NO_PROXY" ? std::optional<std::string>("p") : std::nullopt; },
                            .all = [] { return Words(); }};
  RunOptions options;
  EXPECT_THAT(describe_process(config(), options, {}, ours)->env, Not(Contains("http_proxy=p")));
  options.http_proxy = true;
  options.env = {"NO_PROXY=mine"};
  EXPECT_THAT(describe_process(config(), options, {}, ours)->env, Contains("http_proxy=p"));
  EXPECT_THAT(describe_process(config(), options, {}, ours)->env, Contains("NO_PROXY=mine"));
}

TEST(RunProcess, MasksWhatItMakesInOctal) {
  RunOptions options;
  EXPECT_EQ(describe(config(), options).umask, 022U);
  options.umask = "0077";
  EXPECT_EQ(describe(config(), options).umask, 077U);
  for (const char* wrong : {"8", "x", "7777", "07x"}) {
    options.umask = wrong;
    EXPECT_TRUE(refused(options)) << wrong;
  }
}

TEST(RunProcess, IsKilledAsLongAfterItsSignalAsIsSaid) {
  RunOptions options;
  EXPECT_EQ(describe(config(), options).stop_grace, 10);
  options.stop_timeout = 3;
  EXPECT_EQ(describe(config(), options).stop_grace, 3);
  options.stop_timeout = -1;
  EXPECT_GT(describe(config(), options).stop_grace, 1 << 20) << "never";
}

TEST(RunLabels, ComeFromTheLineAndFromFiles) {
  const test::TempDir dir;
  dir.write("labels", "# none\n\n a=b=c\r\nalone\n");
  RunOptions options;
  options.label_files = {dir / "labels"};
  options.labels = {"x=y"};
  using Label = std::pair<std::string, std::string>;
  ASSERT_TRUE(read_label_files(options));
  EXPECT_THAT(options.label_files, ElementsAre());
  EXPECT_THAT(*parse_labels(options), ElementsAre(Label("a", "b=c"), Label("alone", ""), Label("x", "y")));
  options.labels = {"=y"};
  EXPECT_FALSE(parse_labels(options));
  options.labels = {};
  options.label_files = {"/no/such"};
  EXPECT_FALSE(read_label_files(options));
  dir.write("labels", "=y\n");
  options.label_files = {dir / "labels"};
  EXPECT_FALSE(read_label_files(options));
}

TEST(RunPlatform, IsPutTogetherOfItsParts) {
  RunOptions options;
  EXPECT_EQ(*whole_platform(options), "");
  options.arch = "arm";
  options.variant = "v7";
  EXPECT_EQ(*whole_platform(options), "linux/arm/v7");
  options.os = "wasi";
  options.variant = "";
  EXPECT_EQ(*whole_platform(options), "wasi/arm");
  options.platform = "linux/arm64";
  EXPECT_FALSE(whole_platform(options));
}

}  // namespace
}  // namespace acetate::cli
