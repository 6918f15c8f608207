// What becomes of a description, by each runtime.
#include "tests/builder/sandbox/launch_fixture.h"

#include <linux/filter.h>
#include <linux/keyctl.h>
#include <linux/seccomp.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/utsname.h>

#include <nlohmann/json.hpp>

#include "base/sys/mount.h"
#include "builder/sandbox/seccomp_program.h"

namespace acetate::sandbox {
namespace {

INSTANTIATE_TEST_SUITE_P(By, Launch, ::testing::Values("runc", "native"), runtime_name);

// What runc does otherwise, or cannot.
class OurLaunch : public Launch {};
INSTANTIATE_TEST_SUITE_P(By, OurLaunch, ::testing::Values("native"), runtime_name);

TEST_P(Launch, SetsWhatIsWishedInItsOwnNamespacesAndLeavesOurs) {
  const auto ours = *sys::read_file("/proc/sys/net/ipv4/ip_default_ttl", 64);
  Spec spec = shell("cat /proc/sys/net/ipv4/ip_default_ttl /proc/sys/net/ipv4/ip_unprivileged_port_start; (echo 1 >/proc/sys/net/ipv4/ip_default_ttl) 2>&- || echo refused");
  spec.network = Network::none;
  spec.sysctls = {{"net.ipv4.ip_default_ttl", "33"}};

  EXPECT_EQ(run(spec).out, "33\n0\nrefused\n");
  EXPECT_EQ(*sys::read_file("/proc/sys/net/ipv4/ip_default_ttl", 64), ours);
  spec.sysctls = {{"net.ipv4.no_such", "1"}};
  const Ran ran = run(spec);
  EXPECT_EQ(ran.code, 125) << ran.out;
  EXPECT_NE(ran.out.find("no_such"), std::string::npos) << ran.out;
}

TEST_P(Launch, LetsEveryGroupPingInANetworkOfItsOwn) {
  // A user's own group is 1000 inside, and outside another than its neighbours.
  Spec spec = shell("cat /proc/sys/net/ipv4/ping_group_range");
  spec.network = Network::none;
  const Ran ran = run(spec);
  EXPECT_TRUE(ran.out.starts_with("0\t")) << ran.out;  // the kernel's own is "1\t0": nobody
}

TEST_P(Launch, GoesByOurNamesAndSetsNone) {
  Spec spec = shell("hostname; cat /proc/self/ns/uts >/dev/null 2>&1; ls -l /proc/self/ns/uts");
  spec.own_uts = false;
  spec.hostname = "another";

  const Ran ran = run(spec);

  char name[256] = {};
  ASSERT_EQ(::gethostname(name, sizeof name - 1), 0);
  EXPECT_TRUE(ran.out.starts_with(fmt::format("{}\n", name))) << ran.out;
  EXPECT_NE(ran.out.find(*sys::readlink(FileAt{kWorkingDir, "/proc/self/ns/uts"})), std::string::npos) << ran.out;
}

TEST_P(Launch, HasAnNisDomainOfItsOwn) {
  Spec spec = shell("cat /proc/sys/kernel/domainname");
  const auto ours = *sys::read_file("/proc/sys/kernel/domainname", 256);
  spec.domainname = "acetate.test";

  EXPECT_EQ(run(spec).out, "acetate.test\n");
  EXPECT_EQ(*sys::read_file("/proc/sys/kernel/domainname", 256), ours);
}

TEST_P(Launch, HearsSignalsThatTheCallerIgnores) {
  around_ = [] {
    for (const int signal : {SIGINT, SIGQUIT, SIGHUP}) ::signal(signal, SIG_IGN);
  };
  for (const char* name : {"INT", "QUIT", "HUP"})
    EXPECT_EQ(run(shell(fmt::format("trap 'echo heard; exit 0' {}; kill -{} $$; echo deaf", name, name))).out, "heard\n") << name;
}

TEST_P(Launch, HasTheMaskAndTheScoreThatAreAskedFor) {
  Spec spec = shell("umask; cat /proc/self/oom_score_adj");
  spec.umask = 027;
  spec.oom_score = 777;

  EXPECT_EQ(run(spec).out, "0027\n777\n");
}

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

TEST_P(Launch, EndsWhatTheContainerLeftRunning) {
  // The orphan keeps the pipe open; run() would not return while it lives.
  EXPECT_EQ(run(shell("sleep 100000 & exit 0")).code, 0);
}

TEST_P(Launch, LeavesNothingInItsScratchThatRuns) {
  ASSERT_EQ(run(shell("exit 1")).code, 1);

  EXPECT_FALSE(dir_.exists("run/state/acetate"));
  EXPECT_EQ(run(shell("exit 2")).code, 2) << "the same scratch directory again";
}

}  // namespace
}  // namespace acetate::sandbox
