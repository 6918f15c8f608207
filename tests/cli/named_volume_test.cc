#include "cli/named_volume.h"

#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "base/sys/call.h"
#include "base/sys/file.h"
#include "tests/support/temp_dir.h"

namespace acetate::cli {
namespace {

namespace fs = std::filesystem;

class FillVolume : public testing::Test {
 protected:
  test::TempDir dir_;
  const NamedVolume volume_{.dir = dir_ / "volumes/data", .target = "/srv/data"};

  void SetUp() override {
    dir_.mkdir("root");
    dir_.mkdir("root/srv");
    dir_.mkdir("root/srv/data");
    dir_.mkdir("root/srv/data/sub");
    dir_.write("root/srv/data/sub/file", "of the image");
    fs::create_symlink("/etc/passwd", dir_ / "root/srv/data/link");
    ::chmod((dir_ / "root/srv/data").c_str(), 0750);
    dir_.mkdir("volumes");
    dir_.mkdir("volumes/data");
  }
  Result<Fd> fill() { return fill(volume_); }
  Result<Fd> fill(const NamedVolume& volume) { return enter_volume(volume, dir_ / "root", ::geteuid() == 0); }
  bool is_empty() { return fs::is_empty(volume_.dir); }
  // How much is in the directory of all volumes.
  std::ptrdiff_t beside() { return std::distance(fs::directory_iterator(dir_ / "volumes"), {}); }
};

TEST_F(FillVolume, PutsInWhatTheImageHasThere) {
  ASSERT_TRUE(fill());

  EXPECT_EQ(dir_.read("volumes/data/sub/file"), "of the image");
  EXPECT_EQ(fs::read_symlink(dir_ / "volumes/data/link"), "/etc/passwd");
  EXPECT_EQ(fs::status(dir_ / "volumes/data").permissions(), fs::perms(0750));
  EXPECT_EQ(beside(), 1);
}

TEST_F(FillVolume, LeavesOneThatHoldsSomethingAlone) {
  dir_.write("volumes/data/own", "mine");
  ASSERT_TRUE(fill());

  EXPECT_FALSE(fs::exists(dir_ / "volumes/data/sub"));
  EXPECT_EQ(dir_.read("volumes/data/own"), "mine");
}

TEST_F(FillVolume, HasNothingToDoWhereTheImageHasNoDirectory) {
  for (const char* target : {"/nothing/here", "/srv/data/sub/file"}) {
    EXPECT_TRUE(fill({.dir = volume_.dir, .target = target})) << target;
    EXPECT_TRUE(is_empty()) << target;
  }
  EXPECT_TRUE(fill({.dir = volume_.dir, .target = "/srv/data", .copies = false}));
  EXPECT_TRUE(is_empty());
}

TEST_F(FillVolume, FollowsTheImagesSymlinksInsideItAlone) {
  dir_.mkdir("outside");
  dir_.write("outside/secret", "ours");
  fs::create_symlink("../../../../../.." + (dir_ / "outside"), dir_ / "root/out");
  fs::create_symlink("/srv/data", dir_ / "root/in");
  EXPECT_TRUE(fill({.dir = volume_.dir, .target = "/out"}));
  EXPECT_TRUE(is_empty());
  EXPECT_TRUE(fill({.dir = volume_.dir, .target = "/in"}));
  EXPECT_EQ(dir_.read("volumes/data/sub/file"), "of the image");
}

TEST_F(FillVolume, BeginsAnewWhereAnEarlierOneWasCutShort) {
  dir_.mkdir("volumes/.data.filling");
  dir_.write("volumes/.data.filling/half", "half");
  ASSERT_TRUE(fill());

  EXPECT_FALSE(fs::exists(dir_ / "volumes/data/half"));
  EXPECT_EQ(dir_.read("volumes/data/sub/file"), "of the image");
  EXPECT_EQ(beside(), 1);
}

TEST_F(FillVolume, TakesNoDirectoryAwayFromWhoIsInIt) {
  NamedVolume plain = volume_;
  plain.copies = false;
  const auto in_use = fill(plain);
  ASSERT_TRUE(in_use);
  ASSERT_TRUE(fill()) << "it may be used too";

  EXPECT_TRUE(is_empty());
  EXPECT_EQ(sys::stat(in_use->ref())->st_ino, sys::stat_following(volume_.dir)->st_ino);
}

TEST_F(FillVolume, GivesAnEmptyOneItsModeInPlace) {
  fs::remove_all(dir_ / "root/srv/data/sub");
  fs::remove(dir_ / "root/srv/data/link");
  const auto before = sys::stat_following(volume_.dir)->st_ino;
  ASSERT_TRUE(fill());

  EXPECT_EQ(fs::status(dir_ / "volumes/data").permissions(), fs::perms(0750));
  EXPECT_EQ(sys::stat_following(volume_.dir)->st_ino, before);
  EXPECT_EQ(beside(), 1);
}

TEST_F(FillVolume, BeginsAsItIsWhereSomethingIsMountedOnIt) {
  if (::mount("tmpfs", volume_.dir.c_str(), "tmpfs", 0, nullptr) != 0) GTEST_SKIP() << "may not mount here";
  const auto entered = fill();
  EXPECT_TRUE(entered);
  EXPECT_TRUE(is_empty());
  ::umount2(volume_.dir.c_str(), MNT_DETACH);
}

class FullDisk final : public sys::Hook {
 public:
  FullDisk() { sys::install(this); }
  ~FullDisk() override { sys::install(nullptr); }
  int before(sys::Call call) noexcept override { return call == sys::Call::pwrite || call == sys::Call::write ? ENOSPC : 0; }
};

TEST_F(FillVolume, LeavesItEmptyWhenTheDiskIsFull) {
  {
    const FullDisk full;
    const auto filled = fill();
    ASSERT_FALSE(filled);
    EXPECT_TRUE(filled.error().is(ENOSPC));
  }
  EXPECT_TRUE(is_empty());
  EXPECT_EQ(beside(), 1);
  EXPECT_TRUE(fill()) << "and the next one finishes it";
  EXPECT_EQ(dir_.read("volumes/data/sub/file"), "of the image");
}

}  // namespace
}  // namespace acetate::cli
