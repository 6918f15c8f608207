// What a hostile image or command tries, each known from a hole that some runner had. All of it is tried for real.
#include "tests/builder/sandbox/launch_fixture.h"

#include <gmock/gmock.h>
#include <sys/stat.h>

namespace acetate::sandbox {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class Attack : public Launch {
 protected:
  void SetUp() override {
    Launch::SetUp();
    if (IsSkipped()) return;
    dir_.write("root/bin/prober", dir_read(prober()), 0755);
  }

  // Runs it where a tmpfs is mounted at `place` outside: 0 when it said "over" and nothing else, 1 when not, 77 where nothing can be mounted there.
  Result<int> below_a_mount(const Spec& spec, const std::string& place) {
    return run_in_holder(plan_, [&] {
      sys::Command mount{.argv = {"/bin/busybox", "mount", "-t", "tmpfs", "tmpfs", place}};
      const auto mounted = sys::run_captured(mount);
      if (!mounted || !mounted->exit.ok()) return 77;
      auto out = sys::make_pipe();
      auto exit = launch(spec, dir_ / "run", {.in = {}, .out = out->write.ref(), .err = {}});
      out->write.reset();
      const std::string text = *sys::read_all(out->read.ref(), 1 << 20);
      return exit && text == "over\n" ? 0 : 1;
    });
  }
};

INSTANTIATE_TEST_SUITE_P(By, Attack, ::testing::Values("runc", "native"), runtime_name);

// CVE-2019-5736: writing to /proc/self/exe or the runtime's binary through it.
TEST_P(Attack, OverwritesNoProgramOfOursThroughProcSelfExe) {
  const Ran ran = run(shell("for exe in /proc/self/exe /proc/1/exe; do (echo x > $exe) 2>/dev/null && echo wrote $exe; done; echo over"));

  EXPECT_EQ(ran.out, "over\n");
}

// The same by a program of the image that a device's hook runs in the container before the command is executed.
TEST_P(Attack, OverwritesNoProgramOfOursFromAHookInTheContainer) {
  Spec spec = shell("cat /said; echo over");
  spec.hooks = {{.stage = Hook::Stage::start_container, .path = "/bin/sh", .args = {"sh", "-c", "for pid in self 1; do (exec 9>>/proc/$pid/exe) 2>/dev/null && echo wrote $pid; cat /proc/$pid/exe >/dev/null 2>&1 && echo read $pid; done >/said; true"}}};
  const std::string ours = std::string(GetParam()) == "native" ? "" : "read 1\n";  // of runc's it is a copy

  const Ran ran = run(spec);

  EXPECT_EQ(ran.out, "read self\n" + ours + "over\n");
  ASSERT_TRUE(sys::symlink("/proc/self/exe", {kWorkingDir, (dir_ / "root/bin/us").c_str()}));
  spec.hooks = {{.stage = Hook::Stage::start_container, .path = "/bin/us", .args = {"us", "--gtest_list_tests"}}};
  if (ours.empty()) {
    EXPECT_THAT(run(spec).out, HasSubstr("the startContainer hook /bin/us leads out of the container"));
  }
}

// The same before the command is executed: the command, what a script names and what a volume shows lead to the launcher's own program.
TEST_P(Attack, ExecutesNoProgramOfOurs) {
  ASSERT_TRUE(sys::symlink("/proc/self/exe", {kWorkingDir, (dir_ / "root/bin/us").c_str()}));
  dir_.write("root/bin/script", "#!/proc/self/exe\n", 0755);
  dir_.mkdir("data");
  dir_.write("data/script", "#!/bin/us\n", 0755);
  ASSERT_TRUE(sys::symlink("/bin/us", {kWorkingDir, (dir_ / "data/us").c_str()}));
  for (const char* path : {"/bin/us", "us", "/bin/script", "/data/us", "/data/script", "/proc/self/exe", "/proc/1/exe"}) {
    Spec spec = shell("");
    spec.argv = {path, "--gtest_list_tests"};
    spec.mounts = {{.source = dir_ / "data", .target = "/data"}};

    const Ran ran = run(spec);

    EXPECT_NE(ran.code, 0) << path;
    EXPECT_THAT(ran.out, Not(HasSubstr("ExecutesNoProgramOfOurs"))) << path;
    if (std::string_view(GetParam()) == "native") {
      EXPECT_EQ(ran.code, 126) << path;
    }
  }
}

// Who may make device nodes opens none: neither in /dev, nor on a volume. With one id making one is played, and opening it makes a file.
TEST_P(Attack, OpensNoDeviceThatItMade) {
  dir_.mkdir("data");
  Spec spec = shell("for at in /dev/made /data/made /tmp/made; do busybox mknod $at c 10 229 2>/dev/null && (exec 3<>$at) 2>/dev/null && [ -c $at ] && echo opened $at; done; "
                    "(exec 3<>/dev/null) && echo null");
  spec.capabilities.emplace_back("CAP_MKNOD");
  spec.mounts = {{.source = dir_ / "data", .target = "/data"}};

  EXPECT_EQ(run(spec).out, "null\n");
}

TEST_P(Attack, OverwritesNoInitOfOurs) {
  Spec spec = shell("(echo x > /dev/init) 2>/dev/null && echo wrote; (echo x >/proc/1/exe) 2>/dev/null && echo wrote; rm /dev/init 2>/dev/null && echo removed; echo over");
  spec.init = true;

  EXPECT_EQ(run(spec).out, "over\n");
}

// CVE-2024-21626: a working directory through a descriptor that a runtime forgot to close.
TEST_P(Attack, ReachesNoDescriptorByItsWorkingDirectory) {
  for (int fd = 3; fd < 20; ++fd) {
    Spec spec = shell("echo reached");
    spec.cwd = fmt::format("/proc/self/fd/{}", fd);
    EXPECT_EQ(run(spec).code, 125) << fd;
  }
}

// The same by a symlink that only a volume shows.
TEST_P(Attack, ReachesNoDescriptorByASymlinkInAVolume) {
  dir_.mkdir("data");
  ASSERT_TRUE(sys::symlink("/proc/self/fd/7", {kWorkingDir, (dir_ / "data/leak").c_str()}));
  ASSERT_TRUE(sys::symlink("../../data/leak", {kWorkingDir, (dir_ / "data/twice").c_str()}));
  for (const char* cwd : {"/data/leak", "/data/twice", "/data/../data/leak"}) {
    Spec spec = shell("echo reached");
    spec.cwd = cwd;
    spec.mounts = {{.source = dir_ / "data", .target = "/data"}};

    const Ran ran = run(spec);

    EXPECT_EQ(ran.code, 125) << ran.out;
    EXPECT_THAT(ran.out, HasSubstr("lies in /proc"));
  }
}

TEST_P(Attack, FindsAWorkingDirectoryThroughAHarmlessSymlinkInAVolume) {
  dir_.mkdir("data");
  dir_.mkdir("data/real");
  ASSERT_TRUE(sys::symlink("/data/real", {kWorkingDir, (dir_ / "data/link").c_str()}));
  Spec spec = shell("pwd");
  spec.cwd = "/data/link";
  spec.mounts = {{.source = dir_ / "data", .target = "/data"}};

  EXPECT_EQ(run(spec).out, "/data/real\n");
}

// CVE-2019-19921, CVE-2023-27561, CVE-2025-31133, CVE-2025-52565: mount targets that the image chose.
TEST_P(Attack, LeadsNoMountAstrayBySymlinks) {
  for (const char* name : {"proc", "sys", "dev"}) {
    ASSERT_TRUE(sys::symlink("/tmp", {kWorkingDir, (dir_ / fmt::format("root/{}", name)).c_str()}));
    const Ran ran = run(shell("echo reached"));
    EXPECT_EQ(ran.code, 125) << name;
    EXPECT_THAT(ran.out, HasSubstr("symbolic link")) << name;
    ASSERT_EQ(::unlink((dir_ / fmt::format("root/{}", name)).c_str()), 0);
  }
}

TEST_P(Attack, WritesNoHostFileThroughEtcThatIsASymlink) {
  dir_.write("outside/hosts", "untouched\n");
  ASSERT_TRUE(sys::symlink((dir_ / "outside/hosts").c_str(), {kWorkingDir, (dir_ / "root/etc/hosts").c_str()}));

  const Ran ran = run(shell("echo attacked > /etc/hosts; echo over"));

  EXPECT_THAT(ran.out, HasSubstr("over"));
  EXPECT_EQ(dir_.read("outside/hosts"), "untouched\n");
}

// A target is resolved through the volumes that are mounted before it, as the container will see it.
TEST_P(Attack, MountsOnAVolumeWhateverTheImageHasBelowIt) {
  dir_.mkdir("root/data");
  ASSERT_TRUE(sys::symlink("/elsewhere", {kWorkingDir, (dir_ / "root/data/link").c_str()}));
  dir_.mkdir("one");
  dir_.write("two/file", "of the second\n");
  Spec spec = shell("cat /data/link/file; ls -d /elsewhere 2>/dev/null; echo over");
  spec.mounts = {{.source = dir_ / "one", .target = "/data"}, {.source = dir_ / "two", .target = "/data/link"}};

  EXPECT_EQ(run(spec).out, "of the second\nover\n");
}

TEST_P(Attack, IsNotLedAstrayByASymlinkInAVolume) {
  dir_.mkdir("outside");
  dir_.mkdir("one");
  dir_.write("two/file", "of the second\n");
  ASSERT_TRUE(sys::symlink((dir_ / "outside").c_str(), {kWorkingDir, (dir_ / "one/out").c_str()}));
  ASSERT_TRUE(sys::symlink("/etc", {kWorkingDir, (dir_ / "one/etc").c_str()}));
  Spec spec = shell(fmt::format("cat /data/etc/file /etc/file {}/file", dir_ / "outside"));
  spec.mounts = {{.source = dir_ / "one", .target = "/data"},
                 {.source = dir_ / "two", .target = "/data/etc"},
                 {.source = dir_ / "two", .target = "/data/out"}};

  const Ran ran = run(spec);

  EXPECT_EQ(ran.out, "of the second\nof the second\nof the second\n");
  EXPECT_FALSE(sys::stat_following(dir_ / "outside/file"));
  spec.mounts[1].target = "/data/proc";
  ASSERT_TRUE(sys::symlink("/proc/self", {kWorkingDir, (dir_ / "one/proc").c_str()}));
  EXPECT_EQ(run(spec).code, 125);
}

// CVE-2022-23648 and its class: a volume that an image declares is made beneath its root, wherever symlinks lead.
TEST_P(Attack, MakesNoVolumeOutsideOfItsRoot) {
  dir_.mkdir("outside");
  ASSERT_TRUE(sys::symlink((dir_ / "outside").c_str(), {kWorkingDir, (dir_ / "root/out").c_str()}));
  Spec spec = shell("echo over");
  spec.directories = {"/out/made", "/../../outside/above"};

  EXPECT_EQ(run(spec).out, "over\n");
  EXPECT_FALSE(sys::stat_following(dir_ / "outside/made"));
  EXPECT_FALSE(sys::stat_following(dir_ / "outside/above"));
}

// CVE-2023-25809 and its class.
TEST_P(Attack, WritesToNoCgroup) {
  const Ran ran = run(shell("exec 2>/dev/null; mkdir /sys/fs/cgroup/x && echo made; for f in $(busybox find /sys/fs/cgroup -name cgroup.procs -o -name release_agent); do echo 1 > $f && echo wrote $f; done; echo over"));

  EXPECT_EQ(ran.out, "over\n");
}

TEST_P(Attack, SeesNothingThatIsMasked) {
  const Ran ran = run(shell("exec 2>/dev/null; for f in /proc/kcore /proc/keys /proc/timer_list /proc/sched_debug /proc/interrupts; do [ -e $f ] && [ $(busybox head -c 10 $f | wc -c) != 0 ] && echo $f; done; "
                            "for d in /proc/acpi /proc/scsi /sys/firmware /sys/devices/virtual/powercap; do [ -d $d ] && [ -n \"$(ls $d)\" ] && echo $d; done; echo over"));

  EXPECT_EQ(ran.out, "over\n");
}

// With the host's /proc, systemd's binfmt_misc comes along: an interpreter registered there is started as root outside.
TEST_P(Attack, RegistersNoInterpreterWithTheHostsProcesses) {
  Spec spec = shell("(echo x >/proc/sys/fs/binfmt_misc/register) 2>/dev/null && echo wrote; echo over");
  spec.own_pids = false;
  const auto code = below_a_mount(spec, "/proc/sys/fs/binfmt_misc");

  ASSERT_TRUE(code);
  if (*code == 77) GTEST_SKIP() << "nothing can be mounted at /proc/sys/fs/binfmt_misc here";
  EXPECT_EQ(*code, 0);
}

TEST_P(Attack, TakesNoMaskAway) {
  const Ran ran = run(shell("busybox umount /proc/kcore && echo unmasked; busybox umount /sys/firmware && echo unmasked; busybox mount -o remount,rw /proc/sys && echo remounted; "
                            "busybox mount --bind / /tmp && echo bound; echo over"));

  EXPECT_THAT(ran.out, Not(HasSubstr("unmasked")));
  EXPECT_THAT(ran.out, Not(HasSubstr("remounted")));
  EXPECT_THAT(ran.out, Not(HasSubstr("bound")));
}

// Calls that reach past a container: each is made with arguments the kernel would otherwise look at.
TEST_P(Attack, MakesNoForbiddenCall) {
  const Ran ran = run([&] {
    Spec spec = shell("");
    spec.argv = {"/bin/prober"};
    return spec;
  }());

  EXPECT_EQ(ran.code, 0) << ran.out;
  EXPECT_THAT(ran.out, HasSubstr("calls tried"));
}

TEST_P(Attack, KeepsNoInheritableCapabilityOfAnotherUser) {
  if (plan_.mode == IdMode::single) GTEST_SKIP() << "this user has one id";
  Spec spec = shell("cat /proc/self/status");
  spec.uid = 1000;
  spec.gid = 1000;

  const Ran ran = run(spec);

  for (const char* line : {"CapInh:\t0000000000000000", "CapPrm:\t0000000000000000", "CapEff:\t0000000000000000", "CapAmb:\t0000000000000000"})
    EXPECT_THAT(ran.out, HasSubstr(line));
}

TEST_P(Attack, GainsNothingBySetuidWithoutNewPrivileges) {
  Spec spec = shell("cat /proc/self/status");
  spec.confinement.no_new_privileges = true;

  EXPECT_THAT(run(spec).out, HasSubstr("NoNewPrivs:\t1"));
}

TEST_P(Attack, WritesToNothingBelowAVolumeThatIsReadOnly) {
  dir_.mkdir("data");
  dir_.mkdir("data/below");
  Spec spec = shell("(echo x > /data/below/file) 2>/dev/null && echo wrote; (echo x > /data/file) 2>/dev/null && echo wrote; echo over");
  spec.mounts = {{.source = dir_ / "data", .target = "/data", .writable = false}};
  // A mount below the source, as a home directory has them.
  const auto code = below_a_mount(spec, dir_ / "data/below");

  ASSERT_TRUE(code);
  EXPECT_EQ(*code, 0);
}

}  // namespace
}  // namespace acetate::sandbox
