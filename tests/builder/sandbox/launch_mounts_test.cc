// What a container sees at its places: what is mounted there, its working directory, a root that is read-only, by each runtime.
#include "tests/builder/sandbox/launch_fixture.h"

#include <sys/stat.h>
#include <sys/sysmacros.h>

namespace acetate::sandbox {
namespace {

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

TEST_P(Launch, HasADirectoryInMemoryWhereTheRootIsNotSeen) {
  ASSERT_TRUE(sys::symlink("/dev/by-link", {kWorkingDir, (dir_ / "root/link").c_str()}));
  Spec spec = shell("echo a >/dev/mine/a && echo b >/dev/by-link/b && ls /dev/mine /dev/by-link; ls -d /dev/null /dev/shm");
  spec.directories = {"/dev/mine", "/link", "/dev", "/dev/shm/"};

  EXPECT_EQ(run(spec).out, "/dev/by-link:\nb\n\n/dev/mine:\na\n/dev/null\n/dev/shm\n");

  EXPECT_FALSE(dir_.exists("root/dev/mine"));
  ASSERT_TRUE(sys::symlink("/proc", {kWorkingDir, (dir_ / "root/processes").c_str()}));
  for (const char* place : {"/proc", "/proc/sys", "/processes/self", "/"}) {
    spec.directories = {place};
    const Ran ran = run(spec);
    EXPECT_EQ(ran.code, 125) << place;
    EXPECT_NE(ran.out.find("nothing can be mounted at"), std::string::npos) << ran.out;
  }
}

TEST_P(Launch, ShowsWhatIsMountedInADirectoryInMemory) {
  dir_.write("data/here", "of the host");
  Spec spec = shell("cat /dev/mine/data/here && echo a >/dev/mine/a");
  spec.directories = {"/dev/mine"};
  spec.mounts = {{.source = dir_ / "data", .target = "/dev/mine/data"}};

  EXPECT_EQ(run(spec).out, "of the host");
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

}  // namespace
}  // namespace acetate::sandbox
