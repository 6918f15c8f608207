#include "builder/sandbox/hooks.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "base/log.h"
#include "base/sys/file.h"
#include "tests/support/temp_dir.h"

namespace acetate::sandbox {
namespace {

using ::testing::HasSubstr;
using Json = nlohmann::json;
using Stage = Hook::Stage;

class Hooks : public ::testing::Test {
 protected:
  // A hook of the shell.
  Hook shell(const std::string& script, Stage stage = Stage::create_runtime) const { return {.stage = stage, .path = "/bin/sh", .args = {"sh", "-c", script}}; }

  Result<void> run(std::vector<Hook> hooks, Stage stage = Stage::create_runtime) const { return container(std::move(hooks)).run(stage, ::getpid()); }

  ContainerHooks container(std::vector<Hook> hooks) const {
    const Spec spec{.rootfs = dir_ / "root", .argv = {"true"}, .env = {"OF=container"}, .hooks = std::move(hooks), .annotations = {{"org.who", "me"}}};
    dir_.mkdir("bundle");
    dir_.mkdir("root");
    return {spec, "acetate-1", dir_ / "bundle"};
  }

  std::string complaint(std::vector<Hook> hooks) const {
    const auto ran = run(std::move(hooks));
    EXPECT_FALSE(ran);
    return ran ? "" : ran.error().message();
  }

  test::TempDir dir_;
};

TEST_F(Hooks, KnowTheStateOfTheirContainer) {
  const ContainerHooks hooks = container({});
  const auto state = [&](Stage stage) { return Json::parse(hooks.state(stage, 7)); };

  EXPECT_EQ(state(Stage::create_container),
            Json({{"ociVersion", "1.0.2"}, {"id", "acetate-1"}, {"status", "creating"}, {"pid", 7}, {"bundle", dir_ / "bundle"}, {"annotations", {{"org.who", "me"}}}}));
  EXPECT_EQ(state(Stage::start_container)["status"], "created");
  EXPECT_EQ(state(Stage::poststart)["status"], "running");
  EXPECT_EQ(state(Stage::poststop)["status"], "stopped");
  EXPECT_FALSE(state(Stage::poststop).contains("pid"));
}

TEST_F(Hooks, OfAStageAreRunInTurnEachWithTheState) {
  const std::string log = dir_ / "log";
  const auto note = [&](const char* name) { return fmt::format("printf '{} %s %s\\n' \"$PWD\" \"$(cat)\" >>{}", name, log); };
  const ContainerHooks hooks = container({shell(note("one")), shell(note("other"), Stage::create_container), shell(note("two"))});

  ASSERT_TRUE(hooks.run(Stage::create_runtime, 7));
  ASSERT_TRUE(hooks.run(Stage::create_container, 1));

  const std::string state = hooks.state(Stage::create_runtime, 7);
  EXPECT_EQ(dir_.read("log"), fmt::format("one {0} {1}\ntwo {0} {1}\nother {2} {3}\n", dir_ / "bundle", state, dir_ / "root", hooks.state(Stage::create_container, 1)));
}

TEST_F(Hooks, HaveTheirOwnEnvironmentOrThatOfWhoStartsThem) {
  const std::string log = dir_ / "log";
  ::setenv("OF", "ours", 1);
  Hook own = shell("echo own $OF $A >>" + log), none = shell("echo none $OF >>" + log);
  own.env = {"A=b"};
  none.env = std::vector<std::string>();
  const ContainerHooks hooks = container({own, none, shell("echo inherited $OF >>" + log), shell("echo inside $OF >>" + log, Stage::start_container)});

  EXPECT_TRUE(hooks.run(Stage::create_runtime, 7));
  EXPECT_TRUE(hooks.run(Stage::start_container, 1));
  ::unsetenv("OF");

  EXPECT_EQ(dir_.read("log"), "own b\nnone\ninherited ours\ninside container\n");
}

TEST_F(Hooks, StopAtTheFirstThatFailsAndSayWhatItSaid) {
  const std::string words = complaint({shell("echo fine"), shell("echo no driver; echo 'is loaded' >&2; exit 3"), shell("touch " + (dir_ / "later"))});

  EXPECT_EQ(words, "the createRuntime hook /bin/sh exited with 3: no driver is loaded");
  EXPECT_FALSE(dir_.exists("later"));
  EXPECT_EQ(complaint({shell("kill -9 $$")}), "the createRuntime hook /bin/sh was killed by SIGKILL");
  EXPECT_EQ(complaint({{.stage = Stage::create_runtime, .path = "/no/such/hook"}}), "the createRuntime hook /no/such/hook cannot be executed: No such file or directory");
  dir_.write("plain", "x");
  EXPECT_EQ(complaint({{.stage = Stage::create_runtime, .path = dir_ / "plain", .args = {"hook"}}}),
            fmt::format("the createRuntime hook {} cannot be executed: Permission denied", dir_ / "plain"));
}

TEST_F(Hooks, HaveNoMoreThanTheirTime) {
  Hook slow = shell("echo waiting; exec sleep 1000"), quiet = shell("exec >/dev/null 2>&1; exec sleep 1000"), quick = shell("sleep 0.01");
  slow.timeout = quiet.timeout = 1;
  quick.timeout = 1000;

  const auto ran = run({slow});

  ASSERT_FALSE(ran);
  EXPECT_TRUE(ran.error().is(ETIMEDOUT));
  EXPECT_EQ(ran.error().message(), "the createRuntime hook /bin/sh took longer than its 1 s: waiting");
  EXPECT_EQ(complaint({quiet}), "the createRuntime hook /bin/sh took longer than its 1 s");
  EXPECT_TRUE(run({quick}));
}

TEST_F(Hooks, MayLeaveSomethingRunningAndSayALot) {
  EXPECT_TRUE(run({shell("sleep 1000 & echo $! >" + (dir_ / "pid"))}));  // it has the hook's standard output
  ::kill(std::stoi(dir_.read("pid")), SIGKILL);

  EXPECT_TRUE(run({shell("head -c 1000000 /dev/zero | tr '\\0' x")}));
  EXPECT_THAT(complaint({shell("head -c 60000 /dev/zero | tr '\\0' x; echo the end; exit 1")}), HasSubstr("xxxthe end"));
  EXPECT_TRUE(run({shell("exec <&- >&- 2>&-; sleep 0.1")}));
}

TEST_F(Hooks, AfterTheContainerAreAllRun) {
  const std::string log = dir_ / "log";
  std::string warned;
  log::set_sink([&](log::Level level, std::string_view text) { warned += level == log::Level::warn ? text : std::string_view(); });

  container({shell("echo one >>" + log + "; exit 1", Stage::poststop), shell("cat >>" + log, Stage::poststop)}).run_poststop();

  log::set_sink({});
  EXPECT_EQ(warned, "the poststop hook /bin/sh exited with 1");
  EXPECT_THAT(dir_.read("log"), HasSubstr("one\n{"));
}

}  // namespace
}  // namespace acetate::sandbox
