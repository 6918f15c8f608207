#include "builder/sandbox/keeper.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <span>
#include <string>
#include <thread>

#include "base/sys/file.h"
#include "base/sys/process.h"
#include "builder/sandbox/attended.h"
#include "builder/sandbox/offspring.h"
#include "tests/support/temp_dir.h"

namespace acetate::sandbox {
namespace {

// What a command leaves has the writing end of a pipe, so that the pipe's end is the end of it: without one a test does not end.
class Keeper : public ::testing::Test {
 protected:
  // A shell that runs the script, with the pipe as its descriptor 3.
  KeptCommand shell(const std::string& script) {
    return {.start = [this, script]() -> Result<pid_t> {
      return TRY(sys::spawn({.argv = {"/bin/sh", "-c", script}, .fds = {{held_.write.ref(), 3}}})).release();
    }};
  }
  Attended keep(const KeptCommand& command) {
    auto kept = Attended::keep(command);
    EXPECT_TRUE(kept) << kept.error().message();
    return kept ? *std::move(kept) : Attended();
  }
  // What was written to the pipe, once nobody has it any more.
  std::string until_all_are_gone() {
    held_.write.reset();
    return *sys::read_all(held_.read.ref(), 1 << 16);
  }
  // So that the shell is past its first line.
  void wait_for_word() {
    char word[1];
    ASSERT_TRUE(sys::read(held_.read.ref(), std::as_writable_bytes(std::span(word))));
  }
  sys::Pipe held_ = *sys::make_pipe();
};

TEST_F(Keeper, SaysHowItsCommandEnded) {
  EXPECT_EQ(keep(shell("exit 7")).wait()->code, 7);
  const auto killed = keep(shell("kill -SEGV $$")).wait();
  EXPECT_EQ(killed->signal, SIGSEGV);
}

TEST_F(Keeper, EndsWhatItsCommandLeaves) {
  Attended kept = keep(shell("sleep 86393 & setsid sh -c 'sleep 86393 & sleep 86393' & exit 3"));
  EXPECT_EQ(kept.wait()->code, 3);
  EXPECT_EQ(until_all_are_gone(), "");
}

TEST_F(Keeper, EndsWhatGoesOnMakingNewOnes) {
  Attended kept = keep(shell("(n=0; while [ $n -lt 400 ]; do n=$((n + 1)); (sleep 86393 &); done) & sleep 0.05"));
  EXPECT_TRUE(kept.wait()->ok());
  EXPECT_EQ(until_all_are_gone(), "");
}

TEST_F(Keeper, HandsSignalsOn) {
  Attended kept = keep(shell("trap 'exit 9' USR2; echo >&3; while :; do sleep 0.01; done"));
  wait_for_word();
  ASSERT_TRUE(kept.kill(SIGUSR2));
  EXPECT_EQ(kept.wait()->code, 9);
}

TEST_F(Keeper, WhoeverKillsKillsAllOfIt) {
  Attended kept = keep(shell("setsid sleep 86393 & echo >&3; wait"));
  wait_for_word();
  ASSERT_TRUE(kept.kill(SIGKILL));
  EXPECT_EQ(kept.wait()->signal, SIGKILL);
  EXPECT_EQ(until_all_are_gone(), "");
}

TEST_F(Keeper, WhoeverLetsGoKillsAllOfIt) {
  {
    const Attended kept = keep(shell("setsid sleep 86393 & echo >&3; wait"));
    wait_for_word();
  }
  EXPECT_EQ(until_all_are_gone(), "");
}

TEST_F(Keeper, DoesNotOutliveWhoeverMadeIt) {
  const pid_t pid = ::fork();
  ASSERT_GE(pid, 0);
  if (pid == 0) {
    const Attended kept = keep(shell("setsid sleep 86393 & echo >&3; wait"));
    held_.write.reset();
    wait_for_word();
    ::kill(::getpid(), SIGKILL);
  }
  ASSERT_EQ(::waitpid(pid, nullptr, 0), pid);
  EXPECT_EQ(until_all_are_gone(), "");
}

TEST_F(Keeper, SaysWhatCouldNotBeStarted) {
  const auto kept = Attended::keep({.start = [] { return Result<pid_t>(fail(ENOENT, "there is no such program")); }});
  ASSERT_FALSE(kept);
  EXPECT_TRUE(kept.error().is(ENOENT));
  EXPECT_EQ(kept.error().message(), "there is no such program");
}

TEST_F(Keeper, AttendsNothingWhereNothingWasStarted) {
  const Attended kept = keep({.start = [] { return Result<pid_t>(0); }});
  EXPECT_FALSE(kept);
}

// As runc, which copies what its container writes for as long as anybody may write.
TEST_F(Keeper, EndsWhatARuntimeWouldWaitFor) {
  const test::TempDir dir;
  KeptCommand runtime = shell("(sh -c 'setsid sleep 86393 & exit 0' & echo $! >" + dir.path() + "/new; mv " + dir.path() + "/new " + dir.path() +
                              "/pid; wait; exec 3>&-) | cat; exit 5");
  // cat waits for everybody who has the pipe to it: the sleep too.
  runtime.pid_file = dir.path() + "/pid";
  Attended kept = keep(runtime);
  EXPECT_EQ(kept.wait()->code, 5);
  EXPECT_EQ(until_all_are_gone(), "");
}

// Of two that are left one traces the other, who cannot be reaped before the tracer has gone.
TEST_F(Keeper, EndsWhoWaitsForAnotherOfThem) {
  Attended kept = keep({.start = []() -> Result<pid_t> {
    const pid_t command = ::fork();
    if (command != 0) return command;
    const pid_t traced = ::fork();
    if (traced == 0) for (;;) ::pause();
    sys::Pipe ready = *sys::make_pipe();
    if (::fork() == 0) {
      const char word = ::ptrace(PTRACE_SEIZE, traced, nullptr, nullptr) == 0 ? 'y' : 'n';
      (void)sys::write_full(ready.write.ref(), std::string_view(&word, 1));
      for (;;) ::pause();
    }
    char word = 0;
    (void)sys::read(ready.read.ref(), std::as_writable_bytes(std::span(&word, 1)));
    ::_exit(word == 'y' ? 6 : 7);
  }});
  EXPECT_EQ(kept.wait()->code, 6) << "7: it could not be traced";
}

TEST_F(Keeper, HandsOnNothingOfOthers) {
  // The container sees it.
  Attended kept = keep(shell("trap 'exit 9' USR2; kill -USR2 $PPID; sleep 0.2; exit 4"));
  EXPECT_EQ(kept.wait()->code, 4);
}

TEST_F(Keeper, IsNotStoppedItself) {
  Attended kept = keep(shell("echo >&3; while :; do sleep 0.01; done"));
  wait_for_word();
  ASSERT_TRUE(kept.kill(SIGSTOP));
  ASSERT_TRUE(kept.kill(SIGKILL));
  EXPECT_EQ(kept.wait()->signal, SIGKILL);
}

TEST_F(Keeper, IsToldOfTheEndAlsoWhenTheContainerHasStoppedIt) {
  const test::TempDir dir;
  // Not before it has told us that it runs.
  Attended kept = keep(shell("until [ -e " + dir.path() + "/go ]; do sleep 0.01; done; kill -STOP $PPID; echo >&3; while :; do sleep 0.01; done"));
  dir.write("go", "");
  wait_for_word();
  ASSERT_TRUE(kept.kill(SIGKILL));
  EXPECT_EQ(kept.wait()->signal, SIGKILL);
}

TEST(Offspring, WhoseFirstThreadAloneHasEndedIsNotOver) {
  const pid_t pid = ::fork();
  ASSERT_GE(pid, 0);
  if (pid == 0) {
    std::thread([] { for (;;) ::pause(); }).detach();
    ::syscall(SYS_exit, 0);  // of this thread
  }
  const auto state = [&] {
    const auto stat = sys::read_file("/proc/" + std::to_string(pid) + "/stat", 4096);
    return stat ? (*stat)[stat->rfind(") ") + 2] : '?';
  };
  while (state() != 'Z') ::usleep(1000);
  EXPECT_FALSE(is_over(pid));
  ::kill(pid, SIGKILL);
  ASSERT_EQ(::waitpid(pid, nullptr, 0), pid);
  EXPECT_TRUE(is_over(pid));
}

TEST(Offspring, WhoHasEndedIsOverBeforeAndAfterItIsReaped) {
  const pid_t pid = ::fork();
  ASSERT_GE(pid, 0);
  if (pid == 0) {
    ::pause();
    ::_exit(0);
  }
  EXPECT_FALSE(is_over(pid));
  ::kill(pid, SIGKILL);
  siginfo_t info{};
  ASSERT_EQ(::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOWAIT), 0);
  EXPECT_TRUE(is_over(pid));
  ASSERT_EQ(::waitpid(pid, nullptr, 0), pid);
  EXPECT_TRUE(is_over(pid));
}

}  // namespace
}  // namespace acetate::sandbox
