#include "builder/sandbox/any_holder.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <span>

#include "base/sys/call.h"
#include "base/sys/file.h"
#include "base/sys/mount.h"
#include "base/sys/process.h"
#include "builder/sandbox/userns_refusal.h"
#include "tests/support/temp_dir.h"

namespace acetate::sandbox {
namespace {

class Holder : public ::testing::Test {
 protected:
  void SetUp() override {
    auto plan = plan_holder();
    if (!plan) GTEST_SKIP() << plan.error().message();
    plan_ = *std::move(plan);
  }
  // Its exit code; -1 with a failed test when there is none.
  int run(const std::function<int()>& body) const {
    auto code = run_in_holder(plan_, body);
    EXPECT_TRUE(code) << code.error().message();
    return code ? *code : -1;
  }
  HolderPlan plan_;
};

TEST_F(Holder, ReturnsWhatItsBodyReturned) {
  EXPECT_EQ(run([] { return 0; }), 0);
  EXPECT_EQ(run([] { return 42; }), 42);
}

TEST_F(Holder, IsMadeOnceForWhoNeedsNoPlan) {
  sys::Pipe calls = *sys::make_pipe();

  const auto code = run_in_a_holder([&](const HolderPlan& plan) {
    (void)sys::write_full(calls.write.ref(), std::string_view("x"));
    return plan.mode == plan_.mode ? 7 : 8;
  });

  ASSERT_TRUE(code) << code.error().message();
  EXPECT_EQ(*code, 7);
  calls.write.reset();
  EXPECT_EQ(*sys::read_all(calls.read.ref(), 16), "x") << "the body ran more than once";
}

TEST_F(Holder, SaysASignalAsAShellDoes) {
  EXPECT_EQ(run([] { return ::raise(SIGTERM); }), 128 + SIGTERM);
}

TEST_F(Holder, IsRootInsideAndMayMountWhatNobodyOutsideSees) {
  const test::TempDir dir;
  dir.mkdir("here");

  const int code = run([&] {
    if (::geteuid() != 0) return 1;
    if (!sys::mount("tmpfs", (dir / "here").c_str(), "tmpfs", 0, nullptr)) return 2;
    dir.write("here/file", "x");
    return 0;
  });

  EXPECT_EQ(code, 0);
  EXPECT_FALSE(dir.exists("here/file"));
}

TEST_F(Holder, GivesItsBodyAProcOfItsOwnPids) {
  if (!plan_.own_pids) GTEST_SKIP() << plan_.why;

  EXPECT_EQ(run([] {
              auto self = sys::readlink({kWorkingDir, "/proc/self"});
              return self && *self == std::to_string(::getpid()) && ::getppid() == 1 ? 0 : 1;
            }),
            0);
}

TEST_F(Holder, LeavesNoDescriptorOfItsOwnToTheBody) {
  auto count = [] {
    int open = 0;
    for (int fd = 0; fd < 256; ++fd) open += ::fcntl(fd, F_GETFD) >= 0 ? 1 : 0;
    return open;
  };
  const int outside = count();

  EXPECT_EQ(run(count), outside);
}

TEST_F(Holder, EndsWhatItsBodyLeftRunning) {
  auto pipe = sys::make_pipe();
  ASSERT_TRUE(pipe);

  const int code = run([&] {
    if (::fork() == 0)
      for (;;) ::pause();
    return 0;
  });

  EXPECT_EQ(code, 0);
  // The orphan held the writing end: end of file says it is gone.
  pipe->write.reset();
  std::byte byte{};
  const auto got = sys::read(pipe->read.ref(), std::span(&byte, 1));
  ASSERT_TRUE(got);
  EXPECT_EQ(*got, 0U);
}

TEST_F(Holder, DiesWithItsParent) {
  auto pipe = sys::make_pipe();
  auto ready = sys::make_pipe();
  ASSERT_TRUE(pipe && ready);
  const pid_t parent = ::fork();
  ASSERT_GE(parent, 0);
  if (parent == 0) {
    pipe->read.reset();
    const auto code = run_in_holder(plan_, [&] {
      (void)sys::write_full(ready->write.ref(), std::string_view("x"));
      for (;;) ::pause();
      return 0;
    });
    ::_exit(code ? *code : 125);
  }
  std::byte byte{};
  ASSERT_EQ(*sys::read(ready->read.ref(), std::span(&byte, 1)), 1U);

  ASSERT_EQ(::kill(parent, SIGKILL), 0);
  ASSERT_EQ(::waitpid(parent, nullptr, 0), parent);

  pipe->write.reset();
  const auto got = sys::read(pipe->read.ref(), std::span(&byte, 1));  // blocks while any of them lives
  ASSERT_TRUE(got);
  EXPECT_EQ(*got, 0U);
}

TEST_F(Holder, GetsTheSignalsSentToItsParent) {
  auto ready = sys::make_pipe();
  ASSERT_TRUE(ready);
  const pid_t parent = ::fork();
  ASSERT_GE(parent, 0);
  if (parent == 0) {
    const auto code = run_in_holder(plan_, [&] {
      (void)sys::write_full(ready->write.ref(), std::string_view("x"));
      for (;;) ::pause();
      return 0;
    });
    ::_exit(code ? *code : 125);
  }
  std::byte byte{};
  ASSERT_EQ(*sys::read(ready->read.ref(), std::span(&byte, 1)), 1U);

  ASSERT_EQ(::kill(parent, SIGTERM), 0);

  int status = 0;
  ASSERT_EQ(::waitpid(parent, &status, 0), parent);
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 128 + SIGTERM);
}

TEST_F(Holder, PlanSaysWhyInWords) { EXPECT_FALSE(plan_.why.empty()); }

class FailOnce final : public sys::Hook {
 public:
  FailOnce(sys::Call call, int code) : call_(call), code_(code), before_(sys::install(this)) {}
  ~FailOnce() override { sys::install(before_); }
  int before(sys::Call call) noexcept override { return call == call_ && !std::exchange(done_, true) ? code_ : 0; }

 private:
  sys::Call call_;
  int code_;
  bool done_ = false;
  sys::Hook* before_;
};

TEST_F(Holder, SaysWhatTheSystemRefused) {
  const FailOnce fault(sys::Call::mount, EACCES);

  const auto code = run_in_holder(plan_, [] { return 0; });

  ASSERT_FALSE(code);
  EXPECT_EQ(code.error().code(), EACCES);
  EXPECT_NE(code.error().message(), Error(EACCES).message());
}

TEST_F(Holder, IsNotMadeWhenItCannotFork) {
  const FailOnce fault(sys::Call::clone, EAGAIN);

  const auto code = run_in_holder(plan_, [] { return 0; });

  ASSERT_FALSE(code);
  EXPECT_EQ(code.error().code(), EAGAIN);
}

ReadSysctl only(std::string name, std::string value) {
  return [=](const std::string& asked) { return asked == name ? std::optional(value) : std::nullopt; };
}

TEST(UsernsRefusal, NamesTheSwitchThatIsOff) {
  struct Case {
    int code;
    const char *name, *value, *says;
  };
  const Case cases[] = {
      {ENOSPC, "user/max_user_namespaces", "0", "sysctl -w user.max_user_namespaces="},
      {EPERM, "kernel/unprivileged_userns_clone", "0", "sysctl -w kernel.unprivileged_userns_clone=1"},
      {EACCES, "kernel/apparmor_restrict_unprivileged_userns", "1", "apparmor_restrict_unprivileged_userns=0"},
      {EPERM, "nothing", "", "seccomp"},
      {EINVAL, "nothing", "", "CONFIG_USER_NS"},
      {ENOSPC, "user/max_user_namespaces", "100", "nested"},
  };
  for (const Case& one : cases) {
    const Error error = explain_userns_refusal(one.code, only(one.name, one.value));

    EXPECT_EQ(error.code(), one.code);
    EXPECT_NE(error.message().find(one.says), std::string::npos) << error.message();
  }
}

}  // namespace
}  // namespace acetate::sandbox
