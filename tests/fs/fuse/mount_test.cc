// fs/mount.cc and the daemon itself, on a real /dev/fuse. Where there is none, or it cannot be opened, everything is
// skipped with the reason.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdlib>
#include <thread>

#include "tests/fs/fuse/mount_fixture.h"

namespace acetate::fs {
namespace {

using ::testing::HasSubstr;

TEST_F(MountTest, WritesGoToTheUpperAndTheMountGoesWithTheObject) {
  {
    auto mount = Mount::start(request());
    ASSERT_TRUE(mount) << mount.error().message();
    EXPECT_EQ(mounted()->type, "fuse.fuse-overlay");
    EXPECT_EQ(mounted()->source, "fuse-overlay");
    EXPECT_EQ(dir_.read("mnt/f"), "from below");
    dir_.write("mnt/new", "written");
    EXPECT_GT(mount->daemon_pid(), 0);
  }
  EXPECT_FALSE(mounted());
  EXPECT_EQ(dir_.read("upper/new"), "written");
  EXPECT_FALSE(dir_.exists("lower/new"));
}

TEST_F(MountTest, IsFoundOutToBeLostWhenItsDaemonWasKilled) {
  auto mount = Mount::start(request());
  ASSERT_TRUE(mount) << mount.error().message();
  EXPECT_TRUE(mount->check());
  ASSERT_EQ(::kill(mount->daemon_pid(), SIGKILL), 0);
  siginfo_t info{};
  ASSERT_EQ(::waitid(P_PID, static_cast<id_t>(mount->daemon_pid()), &info, WEXITED | WNOWAIT), 0);

  const auto lost = mount->check();

  ASSERT_FALSE(lost);
  EXPECT_THAT(lost.error().message(), HasSubstr("SIGKILL"));
  EXPECT_FALSE(mounted()) << "a dead mount is left";
}

TEST_F(MountTest, WhatIsDoneMeanwhileIsDoneOnce) {
  int times = 0;
  auto mount = Mount::start(request(), [&] { ++times; });
  ASSERT_TRUE(mount) << mount.error().message();
  EXPECT_EQ(times, 1);
  MountRequest wrong = request();
  wrong.program = "/no/such/daemon";
  EXPECT_FALSE(Mount::start(wrong, [&] { ++times; }));
  EXPECT_EQ(times, 1);
}

TEST_F(MountTest, UnmountingSaysWhatIsInTheWay) {
  auto mount = Mount::start(request());
  ASSERT_TRUE(mount) << mount.error().message();
  {
    const auto open = sys::open(dir_ / "mnt/f", O_RDONLY);
    const auto busy = mount->unmount();
    ASSERT_FALSE(busy);
    EXPECT_TRUE(busy.error().is(EBUSY));
    EXPECT_THAT(busy.error().message(), HasSubstr("in use"));
  }
  const auto gone = mount->unmount();
  EXPECT_TRUE(gone) << gone.error().message();
  EXPECT_FALSE(mounted());
  EXPECT_TRUE(unmount(dir_ / "mnt", false).error().is(EINVAL));
}

TEST_F(MountTest, ABusyMountDoesNotKeepItsObject) {
  std::optional<Fd> open;
  {
    auto mount = Mount::start(request());
    ASSERT_TRUE(mount) << mount.error().message();
    open.emplace(*sys::open(dir_ / "mnt/f", O_RDONLY));
  }
  EXPECT_FALSE(mounted());
}

TEST_F(MountTest, TheDaemonsWordsAreTheError) {
  MountRequest wrong = request();
  wrong.lowers = {dir_ / "nowhere"};
  auto mount = Mount::start(wrong);
  ASSERT_FALSE(mount);
  EXPECT_THAT(mount.error().message(), HasSubstr(dir_ / "nowhere"));
  EXPECT_THAT(mount.error().message(), HasSubstr("No such file or directory"));

  wrong = request();
  wrong.target = dir_ / "lower/sub";
  mount = Mount::start(wrong);
  ASSERT_FALSE(mount);
  EXPECT_THAT(mount.error().message(), HasSubstr("lies inside lower directory"));

  wrong = request();
  wrong.program = "/bin/false";
  EXPECT_THAT(Mount::start(wrong).error().message(), HasSubstr("exited with 1"));
}

TEST_F(MountTest, PathsWithEveryOddLetterWork) {
  const std::string odd = "od:d, na\\me\"=";
  dir_.write("" + odd + "/g", "odd");
  dir_.mkdir(odd + "-upper");
  dir_.mkdir(odd + "-work");
  MountRequest asked = request();
  asked.lowers.push_back(dir_ / odd);
  asked.upper = dir_ / (odd + "-upper");
  asked.work = dir_ / (odd + "-work");

  auto mount = Mount::start(asked);

  ASSERT_TRUE(mount) << mount.error().message();
  EXPECT_EQ(dir_.read("mnt/g"), "odd");
  EXPECT_EQ(dir_.read("mnt/f"), "from below");
  dir_.write("mnt/h", "x");
  EXPECT_TRUE(dir_.exists(odd + "-upper/h"));
}

TEST_F(MountTest, ReadOnlyMountsAreReadOnlyToTheKernel) {
  MountRequest asked = request();
  asked.upper.reset();
  asked.work.reset();
  auto mount = Mount::start(asked);
  ASSERT_TRUE(mount) << mount.error().message();

  struct statvfs space {};
  ASSERT_EQ(::statvfs((dir_ / "mnt").c_str(), &space), 0);
  EXPECT_NE(space.f_flag & ST_RDONLY, 0U);
  EXPECT_TRUE(sys::open(dir_ / "mnt/f", O_WRONLY | O_TRUNC).error().is(EROFS));
  for (int i = 0; i < 3; ++i) EXPECT_EQ(dir_.read("mnt/f"), "from below");  // OPEN is left out from the second on
}

TEST_F(MountTest, AHundredTimesInARow) {
  for (int i = 0; i < 100; ++i) {
    auto mount = Mount::start(request());
    ASSERT_TRUE(mount) << i << ": " << mount.error().message();
    dir_.write("mnt/count", fmt::format("{}", i));
    const auto gone = mount->unmount();
    ASSERT_TRUE(gone) << i << ": " << gone.error().message();
    ASSERT_EQ(dir_.read("upper/count"), fmt::format("{}", i));
  }
  EXPECT_FALSE(mounted());
}

TEST_F(MountTest, TheCommandReturnsWhenTheMountAnswers) {
  const sys::Captured said = run({daemon(), "-o", option_words(), dir_ / "mnt"});

  EXPECT_TRUE(said.exit.ok()) << said.err;
  EXPECT_EQ(said.out + said.err, "");
  EXPECT_EQ(dir_.read("mnt/f"), "from below");
  EXPECT_TRUE(unmount(dir_ / "mnt", false));
}

TEST_F(MountTest, TheCommandFailsInOneSentence) {
  const sys::Captured said = run({daemon(), "-o", option_words(), dir_ / "nowhere"});

  EXPECT_EQ(said.exit.code, 1);
  EXPECT_EQ(said.err, fmt::format("fuse-overlay: mountpoint {}: No such file or directory\n", dir_ / "nowhere"));
}

TEST_F(MountTest, ASignalLeavesNoMount) {
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) {
    auto mount = Mount::start(request());
    ASSERT_TRUE(mount) << mount.error().message();
    const auto open = sys::open(dir_ / "mnt/f", O_RDONLY);  // busy, and left all the same
    ASSERT_EQ(::kill(mount->daemon_pid(), signal), 0);
    siginfo_t info{};
    ASSERT_EQ(::waitid(P_PID, static_cast<id_t>(mount->daemon_pid()), &info, WEXITED | WNOWAIT), 0);
    EXPECT_EQ(info.si_code, CLD_EXITED);
    EXPECT_FALSE(mounted()) << signal;
  }
}

TEST_F(MountTest, NobodyIsLeftWhenTheOwnerIsKilled) {
  const pid_t owner = ::fork();
  ASSERT_GE(owner, 0);
  if (owner == 0) {
    auto mount = Mount::start(request());
    if (!mount) ::_exit(1);
    ::kill(::getpid(), SIGKILL);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(owner, &status, 0), owner);
  ASSERT_TRUE(WIFSIGNALED(status));
  // The next daemon waits for the last one's work directory, so its start tells that the last is gone.
  MountRequest again = request();
  again.target = dir_ / "again";
  dir_.mkdir("again");
  auto mount = Mount::start(again);
  ASSERT_TRUE(mount) << mount.error().message();
  EXPECT_FALSE(mounted());
}

TEST_F(MountTest, TheNameItIsCalledByIsTheNameItGives) {
  ASSERT_EQ(::symlink(daemon().c_str(), (dir_ / "fuse-overlayfs").c_str()), 0);
  const sys::Captured version = run({dir_ / "fuse-overlayfs", "--version"});
  EXPECT_THAT(version.out, ::testing::StartsWith("fuse-overlayfs: version "));
  EXPECT_THAT(version.out, HasSubstr("\nFUSE library version "));
  EXPECT_THAT(version.out, HasSubstr("using FUSE kernel interface version 7."));

  const sys::Captured said = run({dir_ / "fuse-overlayfs", "-o", option_words() + ",metacopy=on", dir_ / "mnt"});
  EXPECT_TRUE(said.exit.ok());
  EXPECT_EQ(said.err, "unknown argument ignored: metacopy=on\n");
  EXPECT_EQ(mounted()->type, "fuse.fuse-overlayfs");
}

TEST_F(MountTest, APlainUserMountsThroughFusermount) {
  NEED_ROOT();
  NEED_TOOL("fusermount3");
  NEED_TOOL("setpriv");
  give_to_somebody();
  const sys::Captured said = run_as_somebody({daemon(), "-o", option_words(), dir_ / "mnt"});
  ASSERT_TRUE(said.exit.ok()) << said.err;

  const sys::Captured seen = run_as_somebody({"sh", "-c", fmt::format("cat {0}/f && echo mine >{0}/g", dir_ / "mnt")});
  EXPECT_EQ(seen.out, "from below") << seen.err;
  EXPECT_EQ(dir_.read("upper/g"), "mine\n");
  const sys::Captured gone = run_as_somebody({"fusermount3", "-u", dir_ / "mnt"});
  EXPECT_TRUE(gone.exit.ok()) << gone.err;
  EXPECT_FALSE(mounted());
}

TEST_F(MountTest, APlainUserIsToldWhatAllowOtherNeeds) {
  NEED_ROOT();
  NEED_TOOL("fusermount3");
  NEED_TOOL("setpriv");
  if (auto conf = sys::read_file("/etc/fuse.conf", 1 << 20); conf && conf->find("\nuser_allow_other") != std::string::npos)
    GTEST_SKIP() << "/etc/fuse.conf allows it here";
  give_to_somebody();

  const sys::Captured said = run_as_somebody({daemon(), "-o", option_words() + ",allow_other", dir_ / "mnt"});

  EXPECT_EQ(said.exit.code, 1);
  EXPECT_THAT(said.err, HasSubstr("needs a line user_allow_other in /etc/fuse.conf"));
}

TEST_F(MountTest, RootOfAUserNamespaceMountsByItself) {
  NEED_ROOT();
  NEED_TOOL("setpriv");
  NEED_TOOL("unshare");
  give_to_somebody();
  if (!run_as_somebody({"unshare", "-Urm", "true"}).exit.ok()) GTEST_SKIP() << "user namespaces are not to be had here";
  const std::string script = fmt::format("{0} -o \"$1\" {1} && cat {1}/f && echo ns >{1}/h && stat -f -c %T {1} && umount {1}",
                                         daemon(), dir_ / "mnt");

  // fusermount3's privilege does not count there: nothing but mount(2) can have done it.
  const sys::Captured said = run_as_somebody({"unshare", "-Urm", "sh", "-ec", script, "sh", option_words()});

  EXPECT_TRUE(said.exit.ok()) << said.err;
  EXPECT_THAT(said.out, ::testing::StartsWith("from below"));
  EXPECT_THAT(said.out, HasSubstr("fuse"));
  EXPECT_EQ(dir_.read("upper/h"), "ns\n");
}

TEST_F(MountTest, ADescriptorThatSomebodyMountedIsServed) {
  NEED_ROOT();
  Fd device = *sys::open("/dev/fuse", O_RDWR);
  const std::string data = fmt::format("fd={},rootmode=40000,user_id=0,group_id=0,default_permissions", device.ref().fd);
  ASSERT_TRUE(sys::mount("overlay", (dir_ / "mnt").c_str(), "fuse.fuse-overlay", MS_NODEV | MS_NOSUID, data.c_str()));

  auto daemon_process = sys::spawn({.argv = {daemon(), "-f", "-o", option_words(), "/dev/fd/9"}, .fds = {{device.ref(), 9}}});

  ASSERT_TRUE(daemon_process) << daemon_process.error().message();
  device.reset();
  EXPECT_EQ(dir_.read("mnt/f"), "from below");
  dir_.write("mnt/through", "fd");
  EXPECT_TRUE(unmount(dir_ / "mnt", false));
  EXPECT_TRUE(daemon_process->wait()->ok());
  EXPECT_EQ(dir_.read("upper/through"), "fd");
}

TEST_F(MountTest, FlagsOfFilesAreThoseOfTheUpper) {
  auto mount = Mount::start(request());
  ASSERT_TRUE(mount) << mount.error().message();
  const auto flags_of = [&](const char* name) -> Result<unsigned> {
    const Fd file = TRY(sys::open(dir_ / name, O_RDONLY));
    unsigned flags = 0;
    if (::ioctl(file.ref().fd, FS_IOC_GETFLAGS, &flags) != 0) return Error(errno);
    return flags;
  };
  const auto upper_has = flags_of("upper");
  if (!upper_has) GTEST_SKIP() << "the file system of temporary files has no such flags: " << upper_has.error().message();
  {
    const Fd file = *sys::open(dir_ / "mnt/f", O_RDONLY);
    unsigned flags = 0;
    ASSERT_EQ(::ioctl(file.ref().fd, FS_IOC_GETFLAGS, &flags), 0);
    EXPECT_EQ(flags, 0U);  // the lower's
    EXPECT_FALSE(dir_.exists("upper/f"));
    flags = FS_NODUMP_FL;
    ASSERT_EQ(::ioctl(file.ref().fd, FS_IOC_SETFLAGS, &flags), 0);
    // What the kernel remembers of its times is forgotten (xfstests' generic/277).
    struct stat shown{}, on_disk{};
    ASSERT_EQ(::fstat(file.ref().fd, &shown), 0);
    flags = 0;
    ASSERT_EQ(::ioctl(file.ref().fd, FS_IOC_SETFLAGS, &flags), 0);
    const struct timespec before = shown.st_ctim;
    for (;;) {  // the clock of files goes in steps
      flags ^= FS_NODUMP_FL;
      ASSERT_EQ(::ioctl(file.ref().fd, FS_IOC_SETFLAGS, &flags), 0);
      ASSERT_EQ(::stat((dir_ / "upper/f").c_str(), &on_disk), 0);
      if (flags != 0 && (on_disk.st_ctim.tv_sec != before.tv_sec || on_disk.st_ctim.tv_nsec != before.tv_nsec)) break;
    }
    ASSERT_EQ(::fstat(file.ref().fd, &shown), 0);
    EXPECT_EQ(shown.st_ctim.tv_sec, on_disk.st_ctim.tv_sec);
    EXPECT_EQ(shown.st_ctim.tv_nsec, on_disk.st_ctim.tv_nsec);
    int version = 0;
    EXPECT_NE(::ioctl(file.ref().fd, FS_IOC_GETVERSION, &version), 0);
    EXPECT_EQ(errno, ENOTTY);
  }
  EXPECT_EQ(*flags_of("mnt/f") & FS_NODUMP_FL, static_cast<unsigned>(FS_NODUMP_FL));
  EXPECT_EQ(*flags_of("upper/f") & FS_NODUMP_FL, static_cast<unsigned>(FS_NODUMP_FL));
  const auto of_directory = flags_of("mnt/sub");
  ASSERT_TRUE(of_directory) << of_directory.error().message();
  EXPECT_EQ(dir_.read("mnt/f"), "from below");
}

// A worker that waits (for a large copy, a sync, bytes from afar) must not be the last one.
TEST_F(MountTest, OperationsThatWaitMakeNobodyElseWait) {
  NEED_ROOT();
  auto mount = Mount::start(request());
  ASSERT_TRUE(mount) << mount.error().message();
  // A lower file so large that its copy is still going on while others want it.
  const Fd large = *sys::open(dir_ / "lower/large", O_RDWR | O_CREAT, 0644);
  const std::string block(1 << 20, 'x');
  for (int i = 0; i < 512; ++i) ASSERT_TRUE(sys::write_full(large.ref(), block));
  const Fd clone = *sys::open(dir_ / "clone", O_RDWR | O_CREAT, 0644);
  if (::ioctl(clone.ref().fd, FICLONE, large.ref().fd) == 0) GTEST_SKIP() << "the file system of temporary files copies at once";
  std::vector<std::thread> waiting;
  std::atomic<int> opened{0};
  for (int i = 0; i < 6; ++i)
    waiting.emplace_back([&] {
      if (sys::open(dir_ / "mnt/large", O_WRONLY)) ++opened;
    });
  int asked = 0;
  while (opened == 0 && asked < 100000) {
    struct stat st {};
    ASSERT_EQ(::stat((dir_ / fmt::format("mnt/absent{}", asked)).c_str(), &st), -1);
    ++asked;
  }
  for (std::thread& one : waiting) one.join();
  EXPECT_EQ(opened, 6);
  EXPECT_GT(asked, 200);
}

}  // namespace
}  // namespace acetate::fs
