// What becomes of a description, by each runtime.
#include "tests/builder/sandbox/launch_fixture.h"

#include <linux/filter.h>
#include <linux/keyctl.h>
#include <linux/seccomp.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/utsname.h>
#include <termios.h>

#include <array>
#include <atomic>
#include <nlohmann/json.hpp>
#include <thread>

#include "base/sys/mount.h"
#include "builder/sandbox/scratch.h"
#include "builder/sandbox/seccomp_program.h"

namespace acetate::sandbox {
namespace {

INSTANTIATE_TEST_SUITE_P(By, Launch, ::testing::Values("runc", "native"), runtime_name);

// What runc does otherwise, or cannot.
class OurLaunch : public Launch {};
INSTANTIATE_TEST_SUITE_P(By, OurLaunch, ::testing::Values("native"), runtime_name);

TEST_P(Launch, GivesTheExitCodeAndTheOutput) {
  const Ran ran = run(shell("echo hello; exit 3"));

  EXPECT_EQ(ran.code, 3);
  EXPECT_EQ(ran.out, "hello\n");
}

TEST_P(Launch, SaysNotFoundAndNotExecutable) {
  dir_.write("root/bin/plain", "x", 0644);
  dir_.write("root/bin/script", "#!/no/such/interpreter\n", 0755);
  dir_.write("root/bin/garbage", "\x01\x02\x03 not a program", 0755);
  auto code = [&](const char* name) {
    Spec spec = shell("");
    spec.argv = {name};
    const Ran ran = run(spec);
    EXPECT_NE(ran.out.find(name), std::string::npos) << ran.out;
    return ran.code;
  };

  EXPECT_EQ(code("absent"), 127);
  EXPECT_EQ(code("/bin/absent"), 127);
  EXPECT_EQ(code("script"), 127);
  EXPECT_EQ(code("plain"), 126);
  EXPECT_EQ(code("/bin"), 126);
  EXPECT_EQ(code("garbage"), 126);
}

TEST_P(Launch, PassesASignalOn) {
  const Ran ran = run(shell("trap 'exit 9' TERM; echo up; while :; do sleep 0.05; done"), SIGTERM);

  EXPECT_EQ(ran.code, 9);
}

TEST_P(Launch, SaysASignalThatKilledAsAShellDoes) {
  // A shell that is pid 1 cannot kill itself, so a child of it says what it died of.
  const Ran ran = run(shell("sh -c 'kill -KILL $$'; exit $?"));

  EXPECT_EQ(ran.code, 128 + SIGKILL);
}

// As the filter of a container around us does.
void refuse_sethostname() {
  const auto filter = seccomp_program({{"defaultAction", "SCMP_ACT_ALLOW"},
                                       {"syscalls", {{{"names", {"sethostname"}}, {"action", "SCMP_ACT_ERRNO"}, {"errnoRet", EPERM}}}}});
  if (!filter) ::_exit(99);
  std::string bytes = *filter;
  const sock_fprog program{.len = static_cast<unsigned short>(bytes.size() / sizeof(sock_filter)),
                           .filter = reinterpret_cast<sock_filter*>(bytes.data())};
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) ::_exit(98);
}

TEST_P(Launch, GoesByOurHostNameWhereNoneMayBeSet) {
  utsname names{};
  ASSERT_EQ(::uname(&names), 0);
  const std::string ours = fmt::format("{}\n", names.nodename);
  around_ = refuse_sethostname;
  const Ran ran = run(shell("hostname; cat /etc/hostname"));

  EXPECT_EQ(ran.out, ours + ours);
  EXPECT_EQ(ran.code, 0);
}

TEST_P(Launch, IsRootInItsOwnNamespaces) {
  const Ran ran = run(shell("id -u; hostname; echo $$; cat /proc/self/uid_map | wc -l"));

  EXPECT_TRUE(ran.out.starts_with("0\nacetate\n1\n")) << ran.out;
  EXPECT_EQ(ran.code, 0);
}

TEST_P(Launch, HasNoMoreCapabilitiesThanWereGiven) {
  Spec spec = shell("cat /proc/self/status");
  spec.capabilities = {"CAP_CHOWN", "CAP_KILL"};

  const Ran ran = run(spec);

  for (const char* line : {"CapInh:\t0000000000000000", "CapPrm:\t0000000000000021", "CapEff:\t0000000000000021",
                           "CapBnd:\t0000000000000021", "CapAmb:\t0000000000000000", "Seccomp:\t2"})
    EXPECT_NE(ran.out.find(line), std::string::npos) << line << "\n" << ran.out;
}

TEST_P(Launch, GivesOfAllCapabilitiesThoseThatWeMayHave) {
  Spec spec = shell("cat /proc/self/status");
  spec.capabilities = all_capabilities();

  const Ran ran = run(spec);

  EXPECT_EQ(ran.code, 0) << ran.out;
  EXPECT_NE(ran.out.find("CapEff:"), std::string::npos) << ran.out;
}

TEST_P(Launch, LetsRootChangeOwnersWithOneIdToo) {
  dir_.write("root/file", "");

  const Ran ran = run(shell("chown 1:1 /file && echo done"));

  EXPECT_EQ(ran.out, "done\n");
}

TEST_P(Launch, PlaysDevicesToOneId) {
  if (plan_.mode != IdMode::single) GTEST_SKIP() << "this user has more ids";

  EXPECT_EQ(run(shell("mknod /dev/x c 1 3 && echo done")).out, "done\n");
}

TEST_P(Launch, RunsAsTheUserAsked) {
  if (plan_.mode == IdMode::single) GTEST_SKIP() << "this user has one id";
  Spec spec = shell("id -u; id -g");
  spec.uid = 1000;
  spec.gid = 1001;

  EXPECT_EQ(run(spec).out, "1000\n1001\n");
}

TEST_P(Launch, HasNoDescriptorsButThreeAndTheOneThatIsReading) {
  EXPECT_EQ(run(shell("ls /proc/self/fd | wc -l")).out, "4\n");
}

TEST_P(Launch, HasAUmaskThatIsNotTheCallers) {
  around_ = [] { ::umask(077); };

  EXPECT_EQ(run(shell("umask; echo x >/file; ls -l /file | busybox cut -c1-10")).out, "0022\n-rw-r--r--\n");
}

TEST_P(Launch, HasASessionKeyringOfItsOwn) {
  dir_.write("root/bin/prober", dir_read(prober()), 0755);
  if (::syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, nullptr) < 0) GTEST_SKIP() << "no session keyring is to be had here";
  const long ours = ::syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_SESSION_KEYRING, 0);
  ASSERT_GT(ours, 0);
  Spec spec = shell("");
  spec.argv = {"/bin/prober", "session-keyring"};
  spec.confinement.filter_calls = false;

  const Ran ran = run(spec);

  EXPECT_EQ(ran.code, 0) << ran.out;
  EXPECT_NE(ran.out, fmt::format("{}\n", ours));
}

// Go's runtime needs more.
TEST_P(OurLaunch, KeepsALimitOfFewerDescriptorsThanWeHave) {
  around_ = [] {
    for (int n = 0; n < 200; ++n) static_cast<void>(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  };
  for (const std::uint64_t few : {3, 4, 16}) {
    Spec spec = shell("ulimit -Sn; ulimit -Hn");
    spec.limits = {{.name = "RLIMIT_NOFILE", .soft = few, .hard = few}};

    EXPECT_EQ(run(spec).out, fmt::format("{0}\n{0}\n", few));
  }
}

TEST_P(Launch, SetsLimitsThatAFilterOfThePersonsWouldRefuse) {
  // The shell's ulimit asks by the same call.
  Spec spec = shell("while read -r a b c soft hard d; do [ \"$a $c\" = 'Max files' ] && echo $soft $hard; done </proc/self/limits");
  spec.limits = {{.name = "RLIMIT_NOFILE", .soft = 32, .hard = 64}};
  spec.confinement.profile = R"({"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["prlimit64","setrlimit"],"action":"SCMP_ACT_ERRNO"}]})";
  around_ = [] {
    for (int n = 0; n < 200; ++n) static_cast<void>(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  };

  EXPECT_EQ(run(spec).out, "32 64\n");
}

TEST_P(Launch, RaisesTheSoftLimitOfDescriptorsToTheHardOne) {
  rlimit ours{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &ours), 0);
  Spec spec = shell("ulimit -Sn; ulimit -Hn");
  spec.limits = {{.name = "RLIMIT_NOFILE", .soft = ours.rlim_max, .hard = ours.rlim_max}};

  EXPECT_EQ(run(spec).out, fmt::format("{0}\n{0}\n", ours.rlim_max));
}

TEST_P(Launch, ShowsAPersonsDirectoryAtDevAndMakesNothingInIt) {
  dir_.mkdir("dev");
  dir_.write("dev/mine", "");
  dir_.write("dev/null", "");  // runc wants one
  Spec spec = shell("ls /dev; echo $?");
  spec.mounts = {{.source = dir_ / "dev", .target = "/dev"}};
  spec.init = true;

  EXPECT_EQ(run(spec).out, "mine\nnull\n0\n");

  EXPECT_EQ(names_in(dir_ / "dev").size(), 2U);
  EXPECT_NE(::access((dir_ / "root/.acetate-init").c_str(), F_OK), 0);
}

TEST_P(Launch, ShowsTheMachinesDev) {
  Spec spec = shell("test -c /dev/null && echo $(ls -A /dev | wc -l)");
  spec.mounts = {{.source = "/dev", .target = "/dev"}};

  EXPECT_EQ(run(spec).out, fmt::format("{}\n", names_in("/dev").size()));
}

TEST_P(Launch, FindsARuntimeWhereNothingInTmpMayBeExecuted) {
  const auto works = run_in_holder(plan_, [] {
    if (!sys::mount("tmpfs", "/tmp", "tmpfs", MS_NOEXEC, "mode=1777")) return 1;
    ::unsetenv("TMPDIR");
    const auto runtime = find_runtime();
    if (runtime) return 0;
    fmt::print(stderr, "{}\n", runtime.error().message());
    return 2;
  });

  ASSERT_TRUE(works) << works.error().message();
  EXPECT_EQ(*works, 0);
}

TEST_P(Launch, DoesNotWriteKernelSettings) {
  const Ran ran = run(shell("echo 1 > /proc/sys/kernel/printk; echo 1 > /proc/sysrq-trigger; "
                            "echo kcore $(cat /proc/kcore | wc -c); mkdir /sys/fs/cgroup/x; "
                            "echo firmware $(ls /sys/firmware | wc -l)"));

  // Complaints and answers come on two descriptors: in which order they are read is not said.
  EXPECT_NE(ran.out.find("Read-only file system"), std::string::npos) << ran.out;
  EXPECT_NE(ran.out.find("kcore 0\n"), std::string::npos) << ran.out;
  EXPECT_NE(ran.out.find("firmware 0\n"), std::string::npos) << ran.out;
}

TEST_P(Launch, MakesTheWorkingDirectoryAndLeavesItThere) {
  Spec spec = shell("cat /proc/self/cwd/x 2>/dev/null; pwd");
  spec.cwd = "/srv/new/app";

  EXPECT_EQ(run(spec).out, "/srv/new/app\n");
  EXPECT_TRUE(dir_.exists("root/srv/new/app"));
}

TEST_P(Launch, MakesTheWorkingDirectoryOnWhatIsMountedThere) {
  dir_.mkdir("data");
  Spec spec = shell("pwd");
  spec.mounts = {{.source = dir_ / "data", .target = "/data"}, {.kind = MountPoint::Kind::tmpfs, .target = "/t"}};
  for (const char* cwd : {"/data/new/app", "/t/new/app", "/dev/shm/new"}) {
    spec.cwd = cwd;

    EXPECT_EQ(run(spec).out, fmt::format("{}\n", cwd));
  }

  EXPECT_TRUE(dir_.exists("data/new/app"));
  EXPECT_EQ(sys::stat_following(dir_ / "data/new/app")->st_mode & 07777, 0755U);
  EXPECT_FALSE(dir_.exists("root/data"));
}

TEST_P(Launch, SaysThatAWorkingDirectoryCannotBeMade) {
  dir_.mkdir("data");
  Spec spec = shell("pwd");
  spec.mounts = {{.source = dir_ / "data", .target = "/data", .writable = false}};
  spec.cwd = "/data/new";

  const Ran ran = run(spec);

  EXPECT_EQ(ran.code, 125);
  EXPECT_NE(ran.out.find("/data/new"), std::string::npos) << ran.out;
}

TEST_P(Launch, TakesItsMountPointsAwayAgain) {
  EXPECT_EQ(run(shell("cat /etc/hostname")).out, "acetate\n");

  EXPECT_FALSE(dir_.exists("root/proc"));
  EXPECT_FALSE(dir_.exists("root/dev"));
  EXPECT_FALSE(dir_.exists("root/etc/hostname"));
}

TEST_P(Launch, RefusesAWorkingDirectoryInProc) {
  ASSERT_TRUE(sys::symlink("/proc/self/fd/7", {kWorkingDir, (dir_ / "root/leak").c_str()}));
  for (const char* cwd : {"/proc/self/fd/7", "/leak", "/bin/../proc/self"}) {
    Spec spec = shell("pwd");
    spec.cwd = cwd;

    const Ran ran = run(spec);

    EXPECT_EQ(ran.code, 125) << ran.out;
    EXPECT_NE(ran.out.find("lies in /proc"), std::string::npos) << ran.out;
  }
}

TEST_P(Launch, RefusesAnImageWhoseProcIsASymlink) {
  ASSERT_TRUE(sys::symlink("/bin", {kWorkingDir, (dir_ / "root/proc").c_str()}));

  const Ran ran = run(shell("echo reached"));

  EXPECT_EQ(ran.code, 125);
  EXPECT_NE(ran.out.find("symbolic link"), std::string::npos) << ran.out;
}

TEST_P(Launch, BindsDirectoriesAndFilesReadOnlyOrNot) {
  dir_.write("data/file", "from outside\n");
  Spec spec = shell("exec 2>&-; cat /data/file /one; echo x > /data/new; echo x > /ro/new; echo x > /one; ls /data");
  spec.mounts = {{.source = dir_ / "data", .target = "/data"},
                 {.source = dir_ / "data", .target = "/ro", .writable = false},
                 {.source = dir_ / "data/file", .target = "/one", .writable = false}};

  const Ran ran = run(spec);

  EXPECT_TRUE(ran.out.starts_with("from outside\nfrom outside\n")) << ran.out;
  EXPECT_TRUE(ran.out.ends_with("file\nnew\n")) << ran.out;
  EXPECT_EQ(dir_.read("data/new"), "x\n");
  EXPECT_EQ(dir_.read("data/file"), "from outside\n");
  EXPECT_FALSE(dir_.exists("root/data"));
}

TEST_P(Launch, MountsWhereTheContainersSymlinksLead) {
  dir_.write("data/file", "from outside\n");
  ASSERT_TRUE(sys::symlink("/../../../../real", {kWorkingDir, (dir_ / "root/link").c_str()}));
  Spec spec = shell("cat /real/file");
  spec.mounts = {{.source = dir_ / "data", .target = "/link"}};

  EXPECT_EQ(run(spec).out, "from outside\n");
}

TEST_P(Launch, MountsNothingOverProc) {
  Spec spec = shell("true");
  spec.mounts = {{.source = dir_ / "root", .target = "/proc/self"}};

  EXPECT_EQ(run(spec).code, 125);
}

TEST_P(Launch, WritesNothingIntoAReadOnlyRoot) {
  Spec spec = shell("exec 2>&-; echo x > /file || echo refused");
  spec.read_only = true;
  spec.mounts = {{.kind = MountPoint::Kind::tmpfs, .target = "/tmp"}};

  const Ran ran = run(spec);

  EXPECT_TRUE(ran.out.ends_with("refused\n")) << ran.out;
  EXPECT_FALSE(dir_.exists("root/file"));
}

TEST_P(Launch, WritesInAReadOnlyRootToItsVolumesWhichHaveWhatTheImageHas) {
  dir_.write("root/data/file", "of the image\n");
  dir_.mkdir("inner");
  Spec spec = shell("cat /data/file; echo a >/data/a; echo e >/data/deeper/e; echo b >/data/inner/b; echo c >/run/made/c && cat /run/made/c; echo d >/asked/d; exec 2>&-; echo x >/file || echo refused");
  spec.read_only = true;
  spec.directories = {"/data/", "/data/deeper", "/run/made", "/asked"};
  spec.mounts = {{.kind = MountPoint::Kind::tmpfs, .target = "/run"},
                 {.kind = MountPoint::Kind::tmpfs, .target = "/asked"},
                 {.source = dir_ / "inner", .target = "/data/inner"}};

  const Ran ran = run(spec);

  EXPECT_EQ(ran.out, "of the image\nc\nrefused\n");
  ASSERT_TRUE(dir_.exists("root/data/a"));
  EXPECT_EQ(dir_.read("root/data/a"), "a\n");
  EXPECT_EQ(dir_.read("root/data/deeper/e"), "e\n");
  EXPECT_EQ(dir_.read("inner/b"), "b\n");
  EXPECT_FALSE(dir_.exists("root/data/inner")) << "a mount point is none of what was written";
  EXPECT_FALSE(dir_.exists("root/run/made/c")) << "below a tmpfs it is one";
  EXPECT_FALSE(dir_.exists("root/asked/d")) << "a tmpfs that was asked for is one";
}

TEST_P(Launch, ShowsTheDevicesBelowADirectory) {
  dir_.mkdir("empty");
  dir_.mkdir("nodes");
  for (const char* name : {"nodes/card", "nodes/in/timer"}) {
    ASSERT_TRUE(sys::make_dirs(dir_ / "nodes/in", 0755));
    if (const auto made = sys::mknod({kWorkingDir, (dir_ / name).c_str()}, S_IFCHR | 0666, makedev(1, 3)); !made)
      GTEST_SKIP() << "no device can be made here: " << made.error().message();
  }
  Spec spec = shell("ls /dev/mine /dev/mine/in; test -c /dev/mine/in/timer && echo device");
  spec.devices = {{.source = dir_ / "nodes", .target = "/dev/mine/"}};

  EXPECT_EQ(run(spec).out, "/dev/mine:\ncard\nin\n\n/dev/mine/in:\ntimer\ndevice\n");
  spec.devices = {{.source = dir_ / "empty", .target = "/dev/mine"}};
  const Ran ran = run(spec);
  EXPECT_EQ(ran.code, 125);
  EXPECT_NE(ran.out.find("no device in"), std::string::npos) << ran.out;
}

TEST_P(Launch, WithoutNetworkHasALoopbackThatIsUp) {
  Spec spec = shell("ip -o link | wc -l; ip -o addr show lo | wc -l; cat /etc/resolv.conf");
  spec.network = Network::none;

  const Ran ran = run(spec);

  EXPECT_EQ(ran.out.find('1'), 0U) << ran.out;
  EXPECT_EQ(ran.code, 0) << ran.out;
}

TEST_P(Launch, RefusesNewNamespacesAndMountsInside) {
  const Ran ran = run(shell("busybox unshare -U true && echo unshared; busybox mount -t tmpfs t /tmp && echo mounted"));

  EXPECT_EQ(ran.out.find("unshared"), std::string::npos) << ran.out;
  EXPECT_EQ(ran.out.find("mounted"), std::string::npos) << ran.out;
}

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
TEST_P(OurLaunch, GivesATerminalWhereTheMachinesDevIsShown) {
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

TEST_P(OurLaunch, GivesTheTerminalBackWhenItIsCalledOffWhileAHookRuns) {
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

TEST_P(Launch, EndsWhatTheContainerLeftRunning) {
  // The orphan keeps the pipe open; run() would not return while it lives.
  EXPECT_EQ(run(shell("sleep 100000 & exit 0")).code, 0);
}

TEST_P(Launch, LeavesNothingInItsScratchThatRuns) {
  ASSERT_EQ(run(shell("exit 1")).code, 1);

  EXPECT_FALSE(dir_.exists("run/state/acetate"));
  EXPECT_EQ(run(shell("exit 2")).code, 2) << "the same scratch directory again";
}

TEST(ScratchDirectory, IsRemovedAndSoAreThoseOfTheDead) {
  const test::TempDir dir;
  std::string path;
  {
    auto scratch = Scratch::make(dir / "base");
    ASSERT_TRUE(scratch) << scratch.error().message();
    path = scratch->path();
    ASSERT_TRUE(sys::make_dirs(*scratch / "a/b/c", 0700));
    ASSERT_EQ(::chmod((*scratch / "a/b").c_str(), 0), 0);
  }
  EXPECT_FALSE(sys::stat({kWorkingDir, path.c_str()}));

  auto living = Scratch::make(dir / "base");
  ASSERT_TRUE(living);
  dir.write("base/run-dead/.lock", "");
  dir.write("base/run-dead/file", "");
  dir.write("base/other/file", "");
  auto next = Scratch::make(dir / "base");
  ASSERT_TRUE(next);
  EXPECT_FALSE(dir.exists("base/run-dead"));
  EXPECT_TRUE(dir.exists("base/other/file"));
  EXPECT_TRUE(sys::stat({kWorkingDir, living->path().c_str()}));
}

// Independent stages of a build make theirs at the same time, and each sweeps first.
TEST(ScratchDirectory, OfSeveralThatAreMadeAtOnceNoneIsTakenForOneOfTheDead) {
  const test::TempDir dir;
  std::atomic<int> taken = 0, failed = 0;
  std::vector<std::thread> threads;
  for (int n = 0; n < 4; ++n)
    threads.emplace_back([&] {
      for (int turn = 0; turn < 300; ++turn)
        if (!Scratch::make(dir / "base", [&](const std::string&) { ++taken; })) ++failed;
    });
  for (std::thread& thread : threads) thread.join();

  EXPECT_EQ(failed, 0);
  EXPECT_EQ(taken, 0);
}

TEST(ScratchDirectory, ThatWasLeftBeforeItHadALockIsRemovedWhenNobodyCanBeMakingIt) {
  const test::TempDir dir;
  for (const char* name : {"base", "base/run-new", "base/run-old", "base/run-locking", "base/run-full"}) dir.mkdir(name);
  ASSERT_EQ(::chmod((dir / "base").c_str(), 0700), 0);
  dir.write("base/run-full/file", "");
  dir.write("base/run-locking/.lock.new", "");
  const timespec long_ago[] = {{.tv_sec = 1, .tv_nsec = 0}, {.tv_sec = 1, .tv_nsec = 0}};
  for (const char* name : {"base/run-old", "base/run-locking", "base/run-full"}) ASSERT_TRUE(sys::set_times(FileAt{kWorkingDir, (dir / name).c_str()}, long_ago));

  const auto scratch = Scratch::make(dir / "base");

  ASSERT_TRUE(scratch) << scratch.error().message();
  EXPECT_FALSE(dir.exists("base/run-old"));
  EXPECT_FALSE(dir.exists("base/run-locking"));
  EXPECT_TRUE(dir.exists("base/run-new"));
  EXPECT_TRUE(dir.exists("base/run-full/file"));
}

}  // namespace
}  // namespace acetate::sandbox
