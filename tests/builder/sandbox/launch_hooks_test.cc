// Hooks, by an OCI runtime and by our own launcher: the same of both, and what runc 1.1 does otherwise of ours alone.
#include "tests/builder/sandbox/launch_fixture.h"

#include <gmock/gmock.h>

namespace acetate::sandbox {
namespace {

using ::testing::HasSubstr;
using ::testing::MatchesRegex;
using ::testing::Not;
using Stage = Hook::Stage;

class LaunchHooks : public Launch {
 protected:
  void SetUp() override {
    Launch::SetUp();
    if (IsSkipped()) return;
    dir_.mkdir("root/made");
    // As tools of vendors find the root: by what is on their standard input, and by the bundle's configuration.
    dir_.write("hook", R"end(#!/bin/sh
state=$(cat)
bundle=$(echo "$state" | sed -n 's/.*"bundle": *"\([^"]*\)".*/\1/p')
root=$(sed -n 's/^  *"path": "\(.*\)",*$/\1/p' "$bundle/config.json" | head -n 1)
)end", 0755);
  }

  // One of the machine's, which begins with $state, $bundle and $root known.
  Hook hook(Stage stage, const std::string& script) const { return {.stage = stage, .path = "/bin/sh", .args = {"sh", "-c", fmt::format(". {}; {}", dir_ / "hook", script)}}; }
  // One of the container's.
  static Hook inside(const std::string& script) { return {.stage = Stage::start_container, .path = "/bin/busybox", .args = {"sh", "-c", script}}; }
  std::string log() const { return dir_ / "log"; }
};

INSTANTIATE_TEST_SUITE_P(By, LaunchHooks, ::testing::Values("runc", "native"), runtime_name);

class OurLaunchHooks : public LaunchHooks {};
INSTANTIATE_TEST_SUITE_P(By, OurLaunchHooks, ::testing::Values("native"), runtime_name);

TEST_P(LaunchHooks, AreRunInTheirOrderAndPlaces) {
  Spec spec = shell("cat /made/order; ls -l /made/libcuda.so | wc -l");
  spec.annotations = {{"org.who", "me"}};
  const std::string mounted = "$(test -e $root/proc/self/status && echo mounted || echo bare)";
  const auto outside = [&](Stage stage) { return hook(stage, fmt::format("echo {} {} >>{}", name_of(stage), mounted, log())); };
  spec.hooks = {outside(Stage::poststop),
                inside("echo inside $$ >>/made/order"),
                hook(Stage::create_container, fmt::format("echo createContainer {} >>{}; ln -s libcuda.so.1 $root/made/libcuda.so; echo create >>$root/made/order", mounted, log())),
                outside(Stage::create_runtime),
                outside(Stage::prestart)};

  const Ran ran = run(spec);

  EXPECT_EQ(ran.code, 0) << ran.out;
  EXPECT_THAT(ran.out, MatchesRegex("create\ninside [0-9]+\n1\n"));
  EXPECT_EQ(dir_.read("log"), "prestart bare\ncreateRuntime bare\ncreateContainer mounted\npoststop bare\n");
}

TEST_P(LaunchHooks, KnowTheirContainer) {
  Spec spec = shell("cat /made/inside");
  spec.annotations = {{"org.who", "me"}};
  const auto outside = [&](Stage stage, const char* name) { return hook(stage, fmt::format("echo \"$state\" >{}", dir_ / name)); };
  spec.hooks = {outside(Stage::create_runtime, "runtime"), outside(Stage::create_container, "container"), outside(Stage::poststart, "running"), outside(Stage::poststop, "stopped"),
                inside("cat >/made/inside")};

  const Ran ran = run(spec);

  EXPECT_EQ(ran.code, 0) << ran.out;
  const std::string bundle = fmt::format("\"bundle\":\"{}\"", dir_ / "run");
  for (const auto& [name, status] : {std::pair{"runtime", "creating"}, std::pair{"container", "creating"}, std::pair{"running", ""}, std::pair{"stopped", "stopped"}}) {
    EXPECT_THAT(dir_.read(name), HasSubstr(fmt::format("\"status\":\"{}", status)));
    EXPECT_THAT(dir_.read(name), HasSubstr(bundle));
    EXPECT_THAT(dir_.read(name), HasSubstr("\"annotations\":{\"org.who\":\"me\"}"));
    EXPECT_THAT(dir_.read(name), HasSubstr("\"id\":\"acetate-"));
  }
  EXPECT_THAT(dir_.read("container"), HasSubstr("\"pid\":1,"));
  EXPECT_THAT(ran.out, HasSubstr("\"status\":\"created\",\"pid\":1,"));
}

TEST_P(LaunchHooks, WriteIntoARootThatIsReadOnlyToTheCommand) {
  Spec spec = shell("ls /made; echo x >/made/mine");
  spec.read_only = true;
  spec.hooks = {hook(Stage::create_container, "echo >$root/made/theirs")};

  const Ran ran = run(spec);

  EXPECT_NE(ran.code, 0);
  EXPECT_THAT(ran.out, HasSubstr("theirs\n"));
  EXPECT_THAT(ran.out, HasSubstr("Read-only file system"));
}

// runc has told us that the container runs when these do: what they say is then the container's, and so is its exit code.
TEST_P(OurLaunchHooks, AreTheContainersUserInIt) {
  Spec spec = shell("true");
  spec.uid = 1000;
  spec.gid = 1000;
  spec.cwd = "/etc";
  spec.env.emplace_back("OF=container");
  spec.hooks = {inside("echo $(id -u) $(pwd) $OF >&2; exit 1")};
  if (plan_.mode == IdMode::single) GTEST_SKIP() << "everybody is root with one id";

  const Ran ran = run(spec);

  EXPECT_EQ(ran.code, 125);
  EXPECT_THAT(ran.out, HasSubstr("1000 /etc container"));
}

TEST_P(LaunchHooks, ThatFailLeaveNoContainer) {
  for (const Stage stage : {Stage::prestart, Stage::create_runtime, Stage::create_container, Stage::poststart}) {
    Spec spec = shell("echo the command; sleep 1000");
    spec.hooks = {hook(stage, "echo no driver >&2; exit 3")};

    const Ran ran = run(spec);

    EXPECT_EQ(ran.code, 125) << name_of(stage) << ran.out;
    EXPECT_THAT(ran.out, HasSubstr("no driver")) << name_of(stage);
    if (stage != Stage::poststart) {
      EXPECT_THAT(ran.out, Not(HasSubstr("the command"))) << name_of(stage);
    }
  }
}

TEST_P(OurLaunchHooks, ThatFailInTheContainerLeaveNone) {
  Spec spec = shell("echo the command");
  spec.hooks = {inside("echo no driver >&2; exit 3"), hook(Stage::poststop, "touch " + (dir_ / "after"))};

  const Ran ran = run(spec);

  EXPECT_EQ(ran.code, 125);
  EXPECT_EQ(ran.out, "starting the container: the startContainer hook /bin/busybox exited with 3: no driver");
  EXPECT_TRUE(dir_.exists("after"));
  spec.hooks = {{.stage = Stage::start_container, .path = "/no/such/hook"}};
  EXPECT_EQ(run(spec).out, "starting the container: the startContainer hook /no/such/hook cannot be executed: No such file or directory");
}

TEST_P(LaunchHooks, ThatAreNotThereAreTold) {
  for (const Stage stage : {Stage::create_runtime, Stage::create_container}) {
    Spec spec = shell("true");
    spec.hooks = {{.stage = stage, .path = "/no/such/hook"}};

    const Ran ran = run(spec);

    EXPECT_EQ(ran.code, 125) << name_of(stage);
    EXPECT_THAT(ran.out, HasSubstr("/no/such/hook")) << name_of(stage);
  }
}

TEST_P(LaunchHooks, HaveNoMoreThanTheirTime) {
  Spec spec = shell("true");
  spec.hooks = {hook(Stage::create_container, "exec sleep 1000")};
  spec.hooks[0].timeout = 1;

  const Ran ran = run(spec);

  EXPECT_EQ(ran.code, 125);
  EXPECT_THAT(ran.out, HasSubstr("hook"));
}

TEST_P(OurLaunchHooks, HaveNoMoreThanTheContainersTime) {
  for (const Stage stage : {Stage::create_runtime, Stage::create_container, Stage::start_container, Stage::poststart}) {
    Spec spec = shell("sleep 1000");
    spec.time_limit = 1;
    spec.hooks = {stage == Stage::start_container ? inside("exec sleep 1000") : hook(stage, "exec sleep 1000")};

    const Ran ran = run(spec);

    EXPECT_EQ(ran.code, 125) << name_of(stage);
    EXPECT_THAT(ran.out, HasSubstr("--timeout")) << name_of(stage);
  }
}

TEST_P(OurLaunchHooks, AreAskedWhereTheyLeadOnceTheOnesBeforeHaveRun) {
  Spec spec = shell("echo the command");
  dir_.mkdir("root/hooks");
  spec.hooks = {inside("ln -s /proc/self/exe /hooks/second"), {.stage = Stage::start_container, .path = "/hooks/second"}};

  const Ran ran = run(spec);

  EXPECT_EQ(ran.code, 125);
  EXPECT_THAT(ran.out, HasSubstr("/hooks/second leads out of the container"));
}

TEST_P(OurLaunchHooks, KnowThatItRuns) {
  Spec spec = shell("true");
  spec.hooks = {hook(Stage::poststart, fmt::format("echo \"$state\" >{}", dir_ / "running"))};

  EXPECT_EQ(run(spec).code, 0);
  EXPECT_THAT(dir_.read("running"), HasSubstr("\"status\":\"running\""));
}

TEST_P(OurLaunchHooks, AreCalledOffByWhatWouldEndTheCommand) {
  const std::string endless = fmt::format("touch {}; exec sleep 1000", dir_ / "started");
  // Our process, once one that has no end is running.
  const Hook stop = hook(Stage::prestart, fmt::format("rm -f {0}; (until [ -e {0} ]; do sleep 0.02; done; kill -TERM $PPID) >/dev/null 2>&1 &", dir_ / "started"));
  dir_.mkdir("root/here");
  for (const Stage stage : {Stage::create_runtime, Stage::create_container, Stage::start_container, Stage::poststart}) {
    Spec spec = shell("exec sleep 1000");
    spec.mounts = {{.source = dir_.path(), .target = "/here"}};
    spec.hooks = {stop, stage == Stage::start_container ? inside("touch /here/started; exec sleep 1000") : hook(stage, endless), hook(Stage::poststop, "touch " + (dir_ / "after"))};

    const Ran ran = run(spec);

    EXPECT_EQ(ran.code, 125) << name_of(stage);
    EXPECT_THAT(ran.out, HasSubstr("called off by a signal")) << name_of(stage);
    EXPECT_TRUE(dir_.exists("after")) << name_of(stage);
    ASSERT_TRUE(sys::unlink({kWorkingDir, (dir_ / "after").c_str()}));
  }
}

TEST_P(LaunchHooks, ThatFailAfterTheContainerLeaveItsExitCode) {
  Spec spec = shell("echo ran; exit 3");
  spec.hooks = {hook(Stage::poststop, "exit 1")};

  const Ran ran = run(spec);

  EXPECT_EQ(ran.code, 3) << ran.out;
  EXPECT_THAT(ran.out, HasSubstr("ran\n"));
}

TEST_P(LaunchHooks, ThatFailAfterTheContainerLeaveItsOne) {
  Spec spec = shell("exit 1");  // what a runtime that failed itself ends with too
  spec.hooks = {hook(Stage::poststop, "exit 1")};

  EXPECT_EQ(run(spec).code, 1);
}

TEST_P(OurLaunchHooks, AfterTheContainerHarmNothing) {
  Spec spec = shell("exit 7");
  spec.hooks = {hook(Stage::poststop, "exit 1"), hook(Stage::poststop, "touch " + (dir_ / "second"))};

  EXPECT_EQ(run(spec).code, 7);
  EXPECT_TRUE(dir_.exists("second"));
}

}  // namespace
}  // namespace acetate::sandbox
