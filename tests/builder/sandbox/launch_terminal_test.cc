// A terminal for the container, by each runtime, and the person's own given back afterwards.
#include "tests/builder/sandbox/launch_fixture.h"

#include <termios.h>

#include <array>

namespace acetate::sandbox {
namespace {

// What runc does otherwise, or cannot.
class OurTerminal : public Launch {};
INSTANTIATE_TEST_SUITE_P(By, OurTerminal, ::testing::Values("native"), runtime_name);

struct Terminal {
  Fd ours, theirs;
};

Terminal make_terminal() {
  Terminal made{.ours = Fd(Adopt{}, ::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC)), .theirs = {}};
  EXPECT_EQ(::grantpt(made.ours.ref().fd) | ::unlockpt(made.ours.ref().fd), 0);
  made.theirs = *sys::open(::ptsname(made.ours.ref().fd), O_RDWR | O_NOCTTY);
  return made;
}

bool is_raw(const Terminal& terminal) {
  termios mode{};
  EXPECT_EQ(::tcgetattr(terminal.theirs.ref().fd, &mode), 0);
  return (mode.c_lflag & ICANON) == 0;
}

// runc would make a /dev/console there, were there none.
TEST_P(OurTerminal, GivesATerminalWhereTheMachinesDevIsShown) {
  Spec spec = shell("test -t 0 && test -t 1 && exit 4");
  spec.terminal = true;
  spec.mounts = {{.source = "/dev", .target = "/dev"}};
  const Terminal terminal = make_terminal();
  const FdRef theirs = terminal.theirs.ref();

  const auto code = run_in_holder(plan_, [&] {
    auto exit = launch(spec, dir_ / "run", {.in = theirs, .out = theirs, .err = theirs});
    if (!exit) fmt::print(stderr, "{}\n", exit.error().message());
    return exit ? exit->shell_code() : 125;
  });

  ASSERT_TRUE(code) << code.error().message();
  EXPECT_EQ(*code, 4);
}

TEST_P(OurTerminal, GivesTheTerminalBackWhenItIsCalledOffWhileAHookRuns) {
  const std::string up = dir_ / "root/up";
  ASSERT_EQ(::mkfifo(up.c_str(), 0666), 0);
  Spec spec = shell("true");
  spec.terminal = true;
  spec.hooks = {{.stage = Hook::Stage::start_container, .path = "/bin/busybox", .args = {"sh", "-c", "echo up >/up; exec sleep 3600"}}};
  const Terminal terminal = make_terminal();
  const FdRef theirs = terminal.theirs.ref();

  const auto code = run_in_holder(plan_, [&] {
    if (::fork() == 0) {
      char byte = 0;
      const Fd fifo = *sys::open(up, O_RDONLY);
      static_cast<void>(::read(fifo.ref().fd, &byte, 1));
      ::kill(::getppid(), SIGTERM);
      ::_exit(0);
    }
    auto exit = launch(spec, dir_ / "run", {.in = theirs, .out = theirs, .err = theirs});
    return exit ? 1 : exit.error().is(EINTR) ? 0 : 2;
  });

  ASSERT_TRUE(code) << code.error().message();
  EXPECT_EQ(*code, 0);
  EXPECT_FALSE(is_raw(terminal)) << "raw mode was not taken back";
}

TEST_P(Launch, GivesATerminalOnRequest) {
  Spec spec = shell("test -t 0 && test -t 1 && echo terminal; exit 4");
  spec.terminal = true;
  const Terminal terminal = make_terminal();
  const Fd &ours = terminal.ours, &theirs = terminal.theirs;

  const auto code = run_in_holder(plan_, [&] {
    auto exit = launch(spec, dir_ / "run", {.in = theirs.ref(), .out = theirs.ref(), .err = theirs.ref()});
    return exit ? exit->shell_code() : 125;
  });

  ASSERT_TRUE(code) << code.error().message();
  EXPECT_EQ(*code, 4);
  EXPECT_FALSE(is_raw(terminal)) << "raw mode was not taken back";
  std::array<char, 256> text{};
  const ssize_t got = ::read(ours.ref().fd, text.data(), text.size());
  ASSERT_GT(got, 0);
  EXPECT_EQ(std::string_view(text.data(), static_cast<std::size_t>(got)).substr(0, 8), "terminal");
}

TEST_P(Launch, RefusesATerminalWhereThereIsNone) {
  Spec spec = shell("true");
  spec.terminal = true;
  const Fd nothing = *sys::open("/dev/null", O_RDWR);

  const auto code = run_in_holder(plan_, [&] {
    auto exit = launch(spec, dir_ / "run", {.in = nothing.ref(), .out = {}, .err = {}});
    return !exit && exit.error().is(ENOTTY) ? 0 : 1;
  });

  ASSERT_TRUE(code);
  EXPECT_EQ(*code, 0);
}

}  // namespace
}  // namespace acetate::sandbox
