#include "builder/sandbox/mount_points.h"

#include <gtest/gtest.h>
#include <sys/mount.h>

#include "base/sys/file.h"
#include "base/sys/mount.h"
#include "builder/sandbox/holder.h"
#include "builder/sandbox/kernel_overlay.h"
#include "tests/support/temp_dir.h"

namespace acetate::sandbox {
namespace {

class APlaceToMountAt : public ::testing::Test {
 protected:
  void link(const char* target, const std::string& name) {
    ASSERT_TRUE(sys::symlink(target, {kWorkingDir, (dir_ / name).c_str()}));
  }
  test::TempDir dir_;
  Fd root_ = dir_.open();
};

TEST_F(APlaceToMountAt, IsMadeWhereItLeadsAndTakenAwayAgain) {
  dir_.mkdir("run");
  dir_.mkdir("etc");
  link("/run/resolv.conf", "etc/resolv.conf");
  const auto before = sys::stat_following(dir_ / "run");
  {
    MountPoints points(root_.ref());

    EXPECT_EQ(*points.prepare("/etc/resolv.conf", PointKind::file), "/run/resolv.conf");
    EXPECT_EQ(*points.prepare("/deep/in/here", PointKind::directory), "/deep/in/here");
    EXPECT_TRUE(dir_.exists("run/resolv.conf"));
    EXPECT_TRUE(dir_.exists("deep/in/here"));
  }
  EXPECT_FALSE(dir_.exists("run/resolv.conf"));
  EXPECT_FALSE(dir_.exists("deep"));
  EXPECT_EQ(sys::stat_following(dir_ / "run")->st_mtim.tv_nsec, before->st_mtim.tv_nsec);
}

TEST_F(APlaceToMountAt, StaysOnceItWasUsed) {
  {
    MountPoints points(root_.ref());
    ASSERT_TRUE(points.prepare("/a/dir", PointKind::directory));
    ASSERT_TRUE(points.prepare("/a/file", PointKind::file));
    ASSERT_TRUE(points.prepare("/b", PointKind::directory));
    dir_.write("a/dir/theirs", "x");
    dir_.write("a/file", "x");
    dir_.write("there", "x");
  }
  EXPECT_TRUE(dir_.exists("a/dir/theirs"));
  EXPECT_EQ(dir_.read("a/file"), "x");
  EXPECT_FALSE(dir_.exists("b"));
}

TEST_F(APlaceToMountAt, StaysWhereItWasThereBefore) {
  dir_.mkdir("proc");
  {
    MountPoints points(root_.ref());
    ASSERT_TRUE(points.prepare_fixed("proc"));
    ASSERT_TRUE(points.prepare("/proc", PointKind::directory));
  }
  EXPECT_TRUE(dir_.exists("proc"));
}

TEST_F(APlaceToMountAt, MayNotBeASymlinkOrAFileWhereItIsFixed) {
  dir_.mkdir("etc");
  link("/etc", "proc");
  dir_.write("dev", "");
  MountPoints points(root_.ref());

  EXPECT_FALSE(points.prepare_fixed("proc"));
  EXPECT_FALSE(points.prepare_fixed("dev"));
}

TEST_F(APlaceToMountAt, OfTheOtherKindIsRefused) {
  dir_.mkdir("dir");
  dir_.write("file", "");
  MountPoints points(root_.ref());

  EXPECT_EQ(points.prepare("/dir", PointKind::file).error().code(), EISDIR);
  EXPECT_EQ(points.prepare("/file", PointKind::directory).error().code(), ENOTDIR);
}

TEST_F(APlaceToMountAt, StaysWhereItIsTheWorkingDirectory) {
  {
    MountPoints points(root_.ref());
    EXPECT_EQ(*points.make_directory("/srv/app"), "/srv/app");
  }
  EXPECT_TRUE(dir_.exists("srv/app"));
}

TEST_F(APlaceToMountAt, StaysWhereItWasMadeAnew) {
  {
    MountPoints points(root_.ref());
    ASSERT_TRUE(points.prepare("/dir", PointKind::directory));
    // Its number is free, and on most file systems the next one's.
    ASSERT_TRUE(sys::rmdir({root_.ref(), "dir"}));
    ASSERT_TRUE(sys::mkdir({root_.ref(), "dir"}, 0755));
  }
  EXPECT_TRUE(dir_.exists("dir"));
}

// Layers on another file system than the upper, as those of a mount of ours are: then the kernel's overlay numbers directories by itself.
Result<int> take_away_what_the_kernel_forgot(const std::string& dir) {
  KernelOverlay::Places places{.lower = dir + "/lower", .upper = dir + "/top/upper", .work = dir + "/top/work", .target = dir + "/merged"};
  for (const std::string& at : {places.lower, dir + "/top", places.target}) TRY(sys::make_dirs(at, 0755));
  for (const std::string& at : {places.lower, dir + "/top"}) TRY(sys::mount("tmpfs", at.c_str(), "tmpfs", 0, nullptr));
  for (const std::string& at : {places.upper, places.work}) TRY(sys::make_dirs(at, 0755));
  KernelOverlay overlay = TRY(KernelOverlay::mount(places, false));
  struct stat before, after;
  {
    const Fd root = TRY(sys::open(places.target, O_RDONLY | O_DIRECTORY));
    MountPoints points(root.ref());
    TRY(points.prepare("/a/dir", PointKind::directory));
    TRY(points.prepare("/file", PointKind::file));
    TRY(sys::mkdir({root.ref(), "other"}, 0755));
    before = TRY(sys::stat({root.ref(), "other"}));

    // To mount anew drops what nobody holds (shrink_dcache_sb()), as want of memory does.
    TRY(sys::mount(nullptr, places.target.c_str(), nullptr, MS_REMOUNT | MS_NODEV | MS_NOATIME, nullptr));

    after = TRY(sys::stat({root.ref(), "other"}));
  }
  if (before.st_ino == after.st_ino) return fail(EINVAL, "the kernel has forgotten nothing, so this asks nothing");
  TRY(overlay.unmount());
  int left = 0;
  for (const char* name : {"a", "file"}) left += sys::stat({kWorkingDir, (places.upper + "/" + name).c_str()}).has_value() ? 1 : 0;
  return left;
}

TEST_F(APlaceToMountAt, IsTakenAwayWhereTheKernelHasForgottenItMeanwhile) {
  const auto plan = plan_holder();
  if (!plan) GTEST_SKIP() << plan.error().message();
  constexpr int kNoOverlay = 100, kFailed = 101;

  const auto code = run_in_holder(*plan, [&] {
    if (!try_kernel_overlay(dir_ / "tried")) return kNoOverlay;
    const auto left = take_away_what_the_kernel_forgot(dir_ / "overlay");
    if (!left) fmt::print(stderr, "{}\n", left.error().message());
    return left ? *left : kFailed;
  });

  ASSERT_TRUE(code) << code.error().message();
  if (*code == kNoOverlay) GTEST_SKIP() << "the kernel's overlay cannot keep what is written here";
  EXPECT_EQ(*code, 0) << "mount points are in the upper";
}

}  // namespace
}  // namespace acetate::sandbox
